import { canonicalise } from '../../evidence/canonical.ts';
import { OBJECT, STRING, type Tape } from '../../protocol/nodes.ts';
import { member, stringAt } from '../../protocol/tape.ts';
import { decodeUtf8 } from '../../protocol/text.ts';
import { TASKS_EXTENSION } from '../../protocol/meta-keys.ts';

/** What a client can be asked for. */
export interface ClientCapabilities {
  /** Canonical JSON: two clients that can do the same have the same. */
  readonly text: string;
  /** A server may ask it for something. */
  readonly mayBeAsked: boolean;
  readonly sampling: boolean;
  readonly samplingTools: boolean;
  readonly form: boolean;
  readonly url: boolean;
  readonly roots: boolean;
}

const LONGEST = 16_384;
const REMEMBERED = 64;

/** Reads what clients declare; what was read lately is not read again. */
export class CapabilityReader {
  readonly #known = new Map<string, ClientCapabilities>();

  /** @returns undefined when they are no object, or longer than 16 KB */
  read(tape: Tape, node: number): ClientCapabilities | undefined {
    if (node < 0 || tape.kinds[node] !== OBJECT || tape.ends[node]! - tape.starts[node]! > LONGEST) return undefined;
    const raw = decodeUtf8(tape.bytes, tape.starts[node], tape.ends[node]);
    const known = this.#known.get(raw);
    if (known !== undefined) return known;
    const read = capabilitiesOf(raw);
    if (read === undefined) return undefined;
    if (this.#known.size >= REMEMBERED) this.#known.clear();
    this.#known.set(raw, read);
    return read;
  }
}

/** @param json of an object */
export function capabilitiesOf(json: string): ClientCapabilities | undefined {
  const object = objectOf(JSON.parse(json));
  if (object === undefined) return undefined;
  // Tasks are another thing in each era and are not bridged: no server is to count on them.
  delete object['tasks'];
  const extensions = own(object, 'extensions');
  if (extensions !== undefined) delete extensions[TASKS_EXTENSION];
  const text = canonicalise(JSON.stringify(object))?.whole;
  if (text === undefined) return undefined;
  const sampling = own(object, 'sampling');
  const elicitation = own(object, 'elicitation');
  const url = elicitation !== undefined && own(elicitation, 'url') !== undefined;
  // Bare `elicitation: {}` is what it was before there were modes: forms.
  const form = elicitation !== undefined && (own(elicitation, 'form') !== undefined || !url);
  const roots = own(object, 'roots') !== undefined;
  return {
    text,
    mayBeAsked: sampling !== undefined || elicitation !== undefined || roots,
    sampling: sampling !== undefined,
    samplingTools: sampling !== undefined && own(sampling, 'tools') !== undefined,
    form,
    url,
    roots,
  };
}

/**
 * What a client lacks to be asked this.
 * @param params of the request, or -1
 * @returns capabilities as the client would have to declare them; undefined when it has them
 */
export function lacking(
  client: ClientCapabilities | undefined,
  method: string,
  tape: Tape,
  params: number,
): Record<string, object> | undefined {
  switch (method) {
    case 'sampling/createMessage':
      if (member(tape, params, 'tools') >= 0) return client?.samplingTools ? undefined : { sampling: { tools: {} } };
      return client?.sampling ? undefined : { sampling: {} };
    case 'elicitation/create':
      if (isUrlMode(tape, params)) return client?.url ? undefined : { elicitation: { url: {} } };
      return client?.form ? undefined : { elicitation: { form: {} } };
    default:
      return client?.roots ? undefined : { roots: {} };
  }
}

/** An elicitation that sends the person to a page instead of showing a form. */
export function isUrlMode(tape: Tape, params: number): boolean {
  const mode = member(tape, params, 'mode');
  return mode >= 0 && tape.kinds[mode] === STRING && stringAt(tape, mode) === 'url';
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as Record<string, unknown>) : undefined;
}

function own(object: Record<string, unknown>, key: string): Record<string, unknown> | undefined {
  return Object.hasOwn(object, key) ? objectOf(object[key]) : undefined;
}
