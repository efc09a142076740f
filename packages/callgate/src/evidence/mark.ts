import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { privateDirectory, replaceFile } from './keys.ts';
import { TreeEdge } from './tree.ts';

/** Where the evidence of one home lies. */
export interface EvidencePlace {
  readonly dir: string;
  readonly keysDir: string;
  readonly markFile: string;
}

/** The highest head of the log that this home has seen, kept outside the log. */
export interface HighWaterMark {
  readonly v: 1;
  readonly origin: string;
  readonly vkey: string;
  readonly size: number;
  /** base64 */
  readonly root: string;
}

/** The three places of a home. */
export function evidencePlace(home: string): EvidencePlace {
  return {
    dir: join(home, 'evidence'),
    keysDir: join(home, 'keys'),
    markFile: join(home, 'state', 'evidence-mark.json'),
  };
}

export const signingKeyFile = (place: EvidencePlace): string => join(place.keysDir, 'evidence-signing.json');

/** Origin, size and root of a checkpoint's body. No signature is checked here: the mark is what is compared with. */
export function readHead(dir: string): { origin: string; size: number; root: string } | undefined {
  let text: string;
  try {
    text = readFileSync(join(dir, 'checkpoint'), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [origin = '', size = '', root = ''] = text.split('\n', 3);
  return { origin, size: /^(0|[1-9][0-9]{0,15})$/.test(size) ? Number(size) : -1, root };
}

export function readMark(markFile: string): HighWaterMark | undefined {
  let text: string;
  try {
    text = readFileSync(markFile, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { v, origin, vkey, size, root } = JSON.parse(text) as Record<string, unknown>;
    if (v === 1 && typeof origin === 'string' && typeof vkey === 'string' && typeof root === 'string')
      if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return { v, origin, vkey, size, root };
  } catch {
    // Said below: what cannot be read is not a mark of zero.
  }
  throw rollback(`the high-water mark ${markFile} cannot be read`);
}

export function writeMark(markFile: string, mark: HighWaterMark): void {
  privateDirectory(dirname(markFile));
  replaceFile(markFile, `${JSON.stringify(mark)}\n`);
}

/**
 * Compares the log with its mark.
 * @throws CallgateError CG_EVIDENCE_ROLLBACK when the log is gone, smaller, another one, or has another root at the mark.
 */
export function refuseRollback(place: EvidencePlace): void {
  const fault = rollbackFault(place);
  if (fault !== undefined) throw rollback(fault);
}

/** What is wrong between log and mark, as half a sentence; undefined when nothing is. */
export function rollbackFault(place: EvidencePlace): string | undefined {
  const mark = readMark(place.markFile);
  const head = readHead(place.dir);
  if (head === undefined) {
    if (mark !== undefined) return `the log is gone, but the mark ${place.markFile} says it had ${mark.size} records`;
    return existsSync(signingKeyFile(place))
      ? `the log is gone, but its key ${signingKeyFile(place)} is here`
      : undefined;
  }
  if (head.size < 0) return `the checkpoint in ${place.dir} cannot be read`;
  if (mark === undefined) return undefined;
  if (head.origin !== mark.origin) return `the log is ${head.origin}, but the mark belongs to ${mark.origin}`;
  if (head.size < mark.size) return `the log has ${head.size} records, but it once had ${mark.size}`;
  const root = head.size === mark.size ? head.root : rootAt(place.dir, mark.size);
  return root === mark.root ? undefined : `the first ${mark.size} records of the log are not those that it once had`;
}

export function rollback(fault: string): CallgateError {
  return new CallgateError('CG_EVIDENCE_ROLLBACK', `Evidence was rolled back: ${fault}.`, {
    remedy:
      'Put the newest log back from its backup. If it is lost for good, `callgate audit accept-rollback` goes on from ' +
      'what is there and records that it did.',
  });
}

function rootAt(dir: string, size: number): string {
  try {
    return TreeEdge.load(dir, size).root().toString('base64');
  } catch {
    return '';
  }
}
