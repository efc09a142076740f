import { INVALID_PARAMS, UNSUPPORTED_VERSION } from '../../protocol/codes.ts';
import type { Message } from '../../protocol/message.ts';
import type { Tape } from '../../protocol/nodes.ts';
import { member } from '../../protocol/tape.ts';
import { CLIENT_CAPABILITIES, LOG_LEVEL, PROTOCOL_VERSION } from '../../protocol/meta-keys.ts';
import { MODERN_REVISION } from '../../protocol/revisions.ts';
import { textMember } from '../../protocol/members.ts';
import { CapabilityReader, type ClientCapabilities } from './capabilities.ts';
import { LOG_LEVELS } from './words.ts';

/** What a modern request says of the client that sends it. */
export interface Envelope {
  readonly capabilities: ClientCapabilities;
  /** Index of the least severe level it wants to hear of; undefined for silence. */
  readonly logLevel: number | undefined;
}

/** Why a request is not served: a JSON-RPC error. */
export interface EnvelopeFault {
  readonly code: number;
  readonly message: string;
  readonly data?: unknown;
}

/** Reads the `_meta` that each modern request must have. */
export class EnvelopeReader {
  readonly #capabilities = new CapabilityReader();

  read(tape: Tape, message: Message): Envelope | EnvelopeFault {
    const version = message.protocolVersion;
    if (version === undefined) return NO_VERSION;
    if (version !== MODERN_REVISION) {
      const data = { supported: [MODERN_REVISION], requested: version };
      return { code: UNSUPPORTED_VERSION, message: 'This revision of the protocol is not supported here.', data };
    }
    const meta = member(tape, message.params, '_meta');
    const capabilities = this.#capabilities.read(tape, member(tape, meta, CLIENT_CAPABILITIES));
    if (capabilities === undefined) return NO_CAPABILITIES;
    const level = LOG_LEVELS.indexOf(textMember(tape, meta, LOG_LEVEL) ?? '');
    return { capabilities, logLevel: level < 0 ? undefined : level };
  }
}

const NO_VERSION: EnvelopeFault = {
  code: INVALID_PARAMS,
  message: `The request has no "${PROTOCOL_VERSION}" in "_meta".`,
};
const NO_CAPABILITIES: EnvelopeFault = {
  code: INVALID_PARAMS,
  message: `The request has no object "${CLIENT_CAPABILITIES}" in "_meta".`,
};
