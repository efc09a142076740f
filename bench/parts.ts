// What micro.mjs measures; bundled from the sources, as the program is.
export { evidencePlace, openEvidence, Sealer } from '../packages/callgate/src/evidence/index.ts';
export { compilePolicy } from '../packages/callgate/src/policy/compile.ts';
