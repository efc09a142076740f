import { MALFORMED_ANSWER, SERVER_ENDED, UNSUPPORTED_VERSION } from '../../protocol/codes.ts';
import { readMessage, type Message } from '../../protocol/message.ts';
import { STRING, type Tape } from '../../protocol/nodes.ts';
import { Scanner, type ScanLimits } from '../../protocol/scan.ts';
import { quoted } from '../../protocol/splice.ts';
import { elements, member, stringAt } from '../../protocol/tape.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION } from '../../protocol/meta-keys.ts';
import { LEGACY_REVISIONS, MODERN_REVISION } from '../../protocol/revisions.ts';
import { requestLine } from '../../protocol/lines.ts';
import { numberMember } from '../../protocol/members.ts';
import type { LinkFailure, OpenLink } from '../../upstreams/link.ts';
import type { Clock } from '../clock.ts';

/**
 * What a server speaks. `both` only when it says so: a server of both eras need not name its older revisions.
 * `unknown`: it speaks neither in a revision that Callgate knows.
 */
export type EraVerdict = 'modern' | 'legacy' | 'both' | 'unknown';

export interface EraFound {
  readonly verdict: EraVerdict;
  /** The revisions it named. */
  readonly revisions: readonly string[];
}

/** Nothing can be told: it could not be reached, or would not talk to us. */
export interface EraUnknown {
  readonly failure: LinkFailure;
}

export interface ProbeOptions {
  readonly client: { readonly name: string; readonly version: string };
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Silence means that it does not know the method: true of a process, not of an address. */
  readonly silenceIsLegacy: boolean;
  readonly scan?: ScanLimits;
}

/** Beyond it a list of revisions is not read on. */
const MOST_REVISIONS = 64;

/**
 * Asks a server what it speaks. Never throws.
 * @param open a fresh link of the modern era, which is closed afterwards
 */
export function probeEra(open: OpenLink, options: ProbeOptions): Promise<EraFound | EraUnknown> {
  return new Promise((resolve) => {
    let isDone = false;
    const done = (found: EraFound | EraUnknown): void => {
      if (isDone) return;
      isDone = true;
      callOff();
      // The link may be the one that is telling: it is closed once that is over.
      queueMicrotask(() => void link.close());
      resolve(found);
    };
    const callOff = options.clock.after(options.timeoutMs, () => {
      done(options.silenceIsLegacy ? LEGACY : SILENT);
    });
    const scanner = new Scanner(options.scan);
    const link = open({
      message: (bytes, start, end) => {
        const message = readMessage(scanner, bytes, start, end);
        if ('refused' in message) {
          if (message.idText === ID) done(UNREADABLE);
        } else if (message.id === PROBE && message.kind !== 'request') done(foundIn(scanner, message));
      },
      oversize: () => done(UNREADABLE),
      failed: (_, failure) => done(isOfLegacy(failure) ? LEGACY : unknown(failure)),
      drained: () => undefined,
      ended: (how) => done(unknown({ code: SERVER_ENDED, why: how, kind: 'transport' })),
    });
    const line = requestLine(PROBE, 'server/discover', paramsOf(options.client));
    link.send(line, 0, line.length);
  });
}

const PROBE = 'callgate-probe';
const ID = quoted(PROBE);
const LEGACY: EraFound = { verdict: 'legacy', revisions: [] };
const SILENT = unknown({ code: SERVER_ENDED, why: 'did not say in time what it speaks', kind: 'transport' });
const UNREADABLE = unknown({
  code: MALFORMED_ANSWER,
  why: 'said what it speaks in a way that cannot be read',
  kind: 'refused',
});

function unknown(failure: LinkFailure): EraUnknown {
  return { failure };
}

/**
 * A server of sessions has no word for a request without one; what it says is a status. That it wants a credential, or is
 * not well, says nothing.
 */
function isOfLegacy({ kind, why }: LinkFailure): boolean {
  return kind === 'refused' && /\(HTTP (?:400|404|405|406|415|422)\)$/.test(why);
}

function paramsOf({ name, version }: ProbeOptions['client']): string {
  const info = `{"name":${quoted(name)},"version":${quoted(version)}}`;
  return `{"_meta":{"${PROTOCOL_VERSION}":"${MODERN_REVISION}","${CLIENT_INFO}":${info},"${CLIENT_CAPABILITIES}":{}}}`;
}

function foundIn(tape: Tape, message: Message): EraFound {
  if (message.kind === 'result') {
    const revisions = revisionsIn(tape, member(tape, message.result, 'supportedVersions'));
    // Some servers answer anything with an empty result; that is no word of this era.
    return revisions === undefined ? LEGACY : spoken(revisions);
  }
  const { error } = message;
  if (numberMember(tape, error, 'code') !== UNSUPPORTED_VERSION) return LEGACY;
  return spoken(revisionsIn(tape, member(tape, member(tape, error, 'data'), 'supported')) ?? []);
}

function spoken(revisions: readonly string[]): EraFound {
  const isModern = revisions.includes(MODERN_REVISION);
  const isLegacy = revisions.some((revision) => LEGACY_REVISIONS.includes(revision));
  const verdict = isModern ? (isLegacy ? 'both' : 'modern') : isLegacy ? 'legacy' : 'unknown';
  return { verdict, revisions };
}

/** @returns undefined when it is no list of texts */
function revisionsIn(tape: Tape, list: number): string[] | undefined {
  const revisions: string[] = [];
  for (const node of elements(tape, list)) {
    if (tape.kinds[node] !== STRING) return undefined;
    if (revisions.length < MOST_REVISIONS) revisions.push(stringAt(tape, node));
  }
  return revisions.length === 0 ? undefined : revisions;
}
