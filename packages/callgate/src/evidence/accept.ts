import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { acquireLock, describeHolder } from '../state/lock.ts';
import { privateDirectory } from './keys.ts';
import { readHead, readMark, rollbackFault, signingKeyFile, writeMark, type EvidencePlace } from './mark.ts';
import { verifyDirectory } from './node-log.ts';
import { readSigningKey } from './note.ts';
import { sealNow } from './seal.ts';
import { openEvidence } from './wal.ts';

/**
 * Lets a home go on after its log was rolled back: the log that is there becomes the log, and its next record says what
 * was given up. Refuses a log that does not verify. When the log is gone, its key is put aside and a new log begins.
 * Kept checkpoints of the lost part go on contradicting the log, as they must.
 * @param size the number of records that the mark knows: to be said by whoever accepts, so that nobody does so blindly.
 * @throws CallgateError CG_EVIDENCE_NO_ROLLBACK when nothing was rolled back, CG_EVIDENCE_ACCEPT when the size is not the
 * mark's, when the log does not verify, or when a seal is running.
 */
export async function acceptRollback(place: EvidencePlace, size: number): Promise<{ origin: string; size: number }> {
  const fault = rollbackFault(place);
  if (fault === undefined)
    throw new CallgateError('CG_EVIDENCE_NO_ROLLBACK', 'The log is not behind its mark: there is nothing to accept.', {
      remedy: 'Run `callgate audit verify` to see what is wrong.',
    });
  const mark = readMark(place.markFile);
  if ((mark?.size ?? 0) !== size)
    throw refusal(`the mark knows ${mark?.size ?? 0} records, not ${size}`, `Say --size ${mark?.size ?? 0}.`);
  privateDirectory(place.dir);
  const lockFile = join(place.dir, 'seal.lock');
  const lock = acquireLock(lockFile);
  if (lock === undefined)
    throw refusal(
      `the log is being sealed by ${describeHolder(lockFile) ?? 'another process'}`,
      'End every gate of this home first.',
    );
  try {
    const head = readHead(place.dir);
    if (head === undefined && existsSync(join(place.dir, 'seal.json')))
      throw refusal(
        'the checkpoint is gone but the log is still there',
        `Put the checkpoint back, or move ${place.dir} away.`,
      );
    if (head === undefined) putKeyAside(place, mark?.origin);
    else await adopt(place, head);
  } finally {
    lock.release();
  }
  await recordAcceptance(place, fault, mark);
  const sealed = await sealNow(place);
  return { origin: readHead(place.dir)?.origin ?? '', size: sealed.size };
}

function putKeyAside(place: EvidencePlace, origin: string | undefined): void {
  const key = signingKeyFile(place);
  const name = (origin ?? readSigningKey(key)?.origin ?? 'unknown').replaceAll('/', '-');
  if (existsSync(key)) renameSync(key, `${key}.${name}.retired`);
  rmSync(place.markFile, { force: true });
}

async function adopt(place: EvidencePlace, head: { origin: string; size: number; root: string }): Promise<void> {
  const key = readSigningKey(signingKeyFile(place));
  if (key?.origin !== head.origin)
    throw refusal(
      `the log is ${head.origin}, which this home has no key for`,
      'Move that directory away, or bring its key back.',
    );
  const report = await verifyDirectory({ dir: place.dir, vkey: key.vkey });
  if (!report.ok)
    throw refusal(
      `the log that is left does not verify: ${report.problems[0]?.message ?? 'it is damaged'}`,
      'Move that directory away; then a new log begins.',
    );
  writeMark(place.markFile, { v: 1, origin: head.origin, vkey: key.vkey, size: head.size, root: head.root });
}

async function recordAcceptance(place: EvidencePlace, fault: string, mark: ReturnType<typeof readMark>): Promise<void> {
  const evidence = openEvidence({ ...place, durability: 'strict', now: Date.now, mono: () => 0, sealing: false });
  evidence.append({
    type: 'gap',
    time: Date.now(),
    mono: 0,
    detail: {
      cause: 'rollback accepted',
      fault,
      origin: mark?.origin ?? '',
      size: mark?.size ?? 0,
      root: mark?.root ?? '',
    },
  });
  await evidence.close();
}

function refusal(why: string, remedy: string): CallgateError {
  return new CallgateError('CG_EVIDENCE_ACCEPT', `The rollback is not accepted: ${why}.`, { remedy });
}
