// What micro.mjs measures; bundled from the sources, as the program is.
export { evidencePlace, openEvidence, Sealer } from '../packages/callgate/src/evidence/index.ts';
export { compilePolicy } from '../packages/callgate/src/policy/compile.ts';
export { compileGlob } from '../packages/callgate/src/policy/condition/glob.ts';
export { lint } from '../packages/callgate/src/policy/tools/lint.ts';
export { compilePattern } from '../packages/callgate/src/policy/condition/pattern.ts';
export { differences } from '../packages/callgate/src/policy/solve/differences.ts';
