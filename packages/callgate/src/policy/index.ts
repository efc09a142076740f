export {
  type CompiledPolicy,
  type CompileOptions,
  compilePolicy,
  type PolicyLayer,
  type PolicySource,
} from './compile.ts';
export type { FieldPath } from './field.ts';
export { type Issue, PolicyError } from './issue.ts';
export { combine, tightenOnly } from './layers.ts';
export { OBSERVE_POLICY } from './observe.ts';
export { plainPath } from './under.ts';
