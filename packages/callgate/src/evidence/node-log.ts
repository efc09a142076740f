import { createPublicKey, hash, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { readMark, rollbackFault, type EvidencePlace } from './mark.ts';
import { verifyLog, type LogReader, type VerifyReport, type VerifyTools } from './verify.ts';

const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

/** Node's hashing and signature checking for the verifier. */
export const nodeTools: VerifyTools = {
  sha256: (bytes) => hash('sha256', bytes, 'buffer'),
  ed25519: (publicKey, message, signature) => {
    const der = Buffer.concat([SPKI_HEAD, publicKey]);
    return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
  },
};

/** Reads a log's files from a directory. */
export function directoryReader(dir: string): LogReader {
  return {
    read: (path) => {
      try {
        return readFileSync(join(dir, path));
      } catch (error) {
        if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
        throw error;
      }
    },
  };
}

export interface VerifyRequest {
  /** The log's directory. */
  readonly dir: string;
  /** Its home, when this is the home's own log: then the mark must agree too. */
  readonly place?: EvidencePlace;
  /** Text of a checkpoint kept elsewhere. */
  readonly against?: string;
  /** A verifier key from elsewhere; without one the mark's, and at last the one that lies beside the log. */
  readonly vkey?: string;
}

/** What was verified, and whose word for the key was taken. */
export interface VerifiedLog extends VerifyReport {
  readonly keyFrom: 'given' | 'mark' | 'log';
}

/**
 * Verifies a log on disk.
 * @throws CallgateError CG_EVIDENCE_NO_LOG when there is none, CG_EVIDENCE_ROLLBACK when a mark or key is there without it.
 */
export async function verifyDirectory(request: VerifyRequest): Promise<VerifiedLog> {
  const { dir, place, against } = request;
  const reader = directoryReader(dir);
  const head = await reader.read('checkpoint');
  const mark = place === undefined ? undefined : readMark(place.markFile);
  const beside = await reader.read('log.vkey');
  if (head === undefined && (place !== undefined || beside === undefined)) {
    const fault = place === undefined ? undefined : rollbackFault(place);
    if (fault === undefined)
      throw new CallgateError('CG_EVIDENCE_NO_LOG', `There is no evidence log in ${dir}.`, {
        remedy: 'Name the directory with --evidence, or the home with --home or CALLGATE_HOME.',
      });
    return { ...GONE, problems: [{ message: fault }] };
  }
  const vkey = request.vkey ?? mark?.vkey ?? (beside === undefined ? '' : Buffer.from(beside).toString('utf8'));
  const keyFrom = request.vkey !== undefined ? 'given' : mark !== undefined ? 'mark' : 'log';
  const report = await verifyLog({
    reader,
    tools: nodeTools,
    vkey,
    ...(against === undefined ? {} : { against }),
    ...(mark === undefined ? {} : { mark }),
  });
  return { ...report, keyFrom };
}

const GONE = {
  ok: false,
  origin: '',
  size: 0,
  root: '',
  problemCount: 1,
  types: {},
  keyFrom: 'mark',
} as const;
