import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CallgateError } from '../model/error.ts';
import { privateDirectory, readOrMakeSecret, replaceFile } from './keys.ts';
import { readHead, readMark, refuseRollback, rollback, signingKeyFile, writeMark, type EvidencePlace } from './mark.ts';
import { makeSigningKey, readSigningKey, signCheckpoint, type SigningKey } from './note.ts';
import type { ProcessState } from './streams.ts';
import { TreeEdge, TILE_WIDTH, tilePath } from './tree.ts';

/** What one seal commits: the log up to `size`, and how far every process has been taken into it. */
export interface SealState {
  readonly v: 1;
  readonly origin: string;
  readonly size: number;
  /** base64 */
  readonly root: string;
  readonly checkpoint: string;
  readonly processes: Readonly<Record<string, ProcessState>>;
  /** Committed bytes of each day of the vault. */
  readonly vault: Readonly<Record<string, number>>;
}

/** A log that may be appended to, with everything checked that a writer must know. */
export interface OpenLog {
  readonly state: SealState;
  readonly stateText: string;
  readonly key: SigningKey;
  readonly edge: TreeEdge;
  /** The entry bundle at the right edge, as on disk. */
  readonly entries: Buffer;
}

const stateFile = (place: EvidencePlace): string => join(place.dir, 'seal.json');

export function readStateText(place: EvidencePlace): string | undefined {
  try {
    return readFileSync(stateFile(place), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The commit point of a seal; then the same for readers (`checkpoint`) and outside the log (the mark). */
export function commitState(place: EvidencePlace, state: SealState, key: SigningKey): string {
  const text = `${JSON.stringify(state)}\n`;
  replaceFile(stateFile(place), text);
  publish(place, state, key);
  return text;
}

/**
 * Opens the log of `place` under the seal lock: begins one where none is, finishes what a crash left half published.
 * @throws CallgateError CG_EVIDENCE_ROLLBACK, CG_EVIDENCE_DAMAGED
 */
export function openLog(place: EvidencePlace): OpenLog {
  refuseRollback(place);
  const key = readSigningKey(signingKeyFile(place));
  const stateText = readStateText(place);
  if (key === undefined) return beginLog(place, stateText);
  if (stateText === undefined) throw damaged(place, 'seal.json is missing');
  const state = parseState(place, stateText);
  if (state.origin !== key.origin) throw damaged(place, `the log is ${state.origin}, the key signs for ${key.origin}`);
  const edge = loadEdge(place, state);
  finishPublishing(place, state, key);
  return { state, stateText, key, edge, entries: loadEntries(place, state.size) };
}

/**
 * The order makes a crash at any step harmless: until the key has its name, there is no log, and beginning starts over.
 */
function beginLog(place: EvidencePlace, stateText: string | undefined): OpenLog {
  const old = stateText === undefined ? undefined : parseState(place, stateText);
  if ((old?.size ?? readHead(place.dir)?.size ?? 0) > 0)
    throw damaged(place, 'the log has records but its key is gone');
  const { key, file } = makeSigningKey();
  const edge = new TreeEdge();
  const root = edge.root();
  const checkpoint = signCheckpoint(key, 0, root);
  const state: SealState = {
    v: 1,
    origin: key.origin,
    size: 0,
    root: root.toString('base64'),
    checkpoint,
    processes: {},
    vault: {},
  };
  privateDirectory(place.dir);
  const text = `${JSON.stringify(state)}\n`;
  replaceFile(stateFile(place), text);
  replaceFile(join(place.dir, 'log.vkey'), `${key.vkey}\n`);
  replaceFile(join(place.dir, 'checkpoint'), checkpoint);
  readOrMakeSecret(signingKeyFile(place), () => Buffer.from(file));
  writeMark(place.markFile, markOf(state, key));
  return { state, stateText: text, key, edge, entries: Buffer.alloc(0) };
}

function publish(place: EvidencePlace, state: SealState, key: SigningKey): void {
  replaceFile(join(place.dir, 'checkpoint'), state.checkpoint);
  writeMark(place.markFile, markOf(state, key));
}

/** After a crash between the commit and its publication, readers still see the head before. */
function finishPublishing(place: EvidencePlace, state: SealState, key: SigningKey): void {
  const head = readHead(place.dir);
  if (head !== undefined && head.size > state.size)
    throw rollback(`the sealer's state has ${state.size} records, the checkpoint ${head.size}`);
  const mark = readMark(place.markFile);
  if (head?.size === state.size && head.root === state.root && mark?.size === state.size) return;
  publish(place, state, key);
}

function markOf(state: SealState, key: SigningKey): Parameters<typeof writeMark>[1] {
  return { v: 1, origin: state.origin, vkey: key.vkey, size: state.size, root: state.root };
}

function parseState(place: EvidencePlace, text: string): SealState {
  try {
    const state = JSON.parse(text) as SealState;
    if (state.v === 1 && Number.isSafeInteger(state.size) && typeof state.processes === 'object') return state;
  } catch {
    // Said below.
  }
  throw damaged(place, 'seal.json cannot be read');
}

function loadEdge(place: EvidencePlace, state: SealState): TreeEdge {
  let edge: TreeEdge;
  try {
    edge = TreeEdge.load(place.dir, state.size);
  } catch (error) {
    throw damaged(place, error instanceof Error ? error.message : String(error));
  }
  if (edge.root().toString('base64') !== state.root) throw damaged(place, 'its tiles do not give its root');
  return edge;
}

function loadEntries(place: EvidencePlace, size: number): Buffer {
  const width = size % TILE_WIDTH;
  if (width === 0) return Buffer.alloc(0);
  try {
    return readFileSync(join(place.dir, tilePath('entries', Math.floor(size / TILE_WIDTH), width)));
  } catch {
    throw damaged(place, 'the newest entry bundle is missing');
  }
}

function damaged(place: EvidencePlace, what: string): CallgateError {
  return new CallgateError('CG_EVIDENCE_DAMAGED', `The evidence log in ${place.dir} cannot go on: ${what}.`, {
    remedy: 'Run `callgate audit verify` to see what is wrong, and put the directory back from a backup.',
  });
}
