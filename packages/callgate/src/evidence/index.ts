export { openEvidence, type Evidence, type EvidenceOptions } from './wal.ts';
export { evidencePlace, type EvidencePlace } from './mark.ts';
export { sealNow, Sealer, type SealedHead } from './seal.ts';
export { verifyDirectory, directoryReader, nodeTools, type VerifiedLog, type VerifyRequest } from './node-log.ts';
export { verifyLog, type VerifyReport } from './verify.ts';
