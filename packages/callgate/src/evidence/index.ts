export { openEvidence, type Evidence, type EvidenceOptions } from './wal.ts';
export { evidencePlace, readHead, readMark, type EvidencePlace } from './mark.ts';
export { sealNow, Sealer, type SealedHead } from './seal.ts';
export { verifyDirectory, type VerifiedLog, type VerifyRequest } from './node-log.ts';
export { ArgumentReader, followCalls, queryCalls, type LogSource } from './query.ts';
export { type CallFilter, type LoggedCall } from './calls.ts';
export { acceptRollback } from './accept.ts';
