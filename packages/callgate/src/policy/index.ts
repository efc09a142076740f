export type { CompiledPolicy, CompileOptions, PolicyLayer, PolicySource } from './compile-documents.ts';
export { loadEngines } from './condition/engines.ts';
export type { FieldPath } from './condition/field.ts';
export type { FindInclude, IncludedFile, IncludeRefusal } from './includes.ts';
export { type Issue, PolicyError } from './document/issue.ts';
export { ceiling, combine, tightenOnly } from './layers.ts';
export { type DocumentCache, type LoadedPolicy, loadPolicy } from './load.ts';
export { OBSERVE_POLICY } from './observe.ts';
export { plainPath } from './condition/under.ts';
