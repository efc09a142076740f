import { INVALID_PARAMS, INVALID_REQUEST, PARSE_ERROR } from './codes.ts';
import { keywords, VARIANT } from './keywords.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION } from './meta-keys.ts';
import { METHODS } from './methods.ts';
import { MODERN_REVISION } from './revisions.ts';
import { pastOddSpace, salvage } from './salvage.ts';
import type { ScanFault, Scanner } from './scan.ts';
import { ARRAY, NULL, NUMBER, OBJECT, STRING } from './scan.ts';
import { numberAt, stringAt, textIs } from './tape.ts';
import { decodeUtf8, encodeUtf8 } from './text.ts';

/** One JSON-RPC message. Node numbers index the scanner's tape, until its next scan; -1 is absent. */
export interface Message {
  readonly kind: 'request' | 'notification' | 'result' | 'error';
  /** Undefined for a notification, and for an error that answers nobody (`"id": null`). */
  readonly id: string | number | undefined;
  /** The bytes of the id; -1 when there is none. */
  readonly idStart: number;
  readonly idEnd: number;
  readonly method: string | undefined;
  readonly params: number;
  readonly result: number;
  readonly error: number;
  /** `params.name` of `tools/call` and `prompts/get`. */
  readonly name: string | undefined;
  /** `params.arguments`, when it is an object. */
  readonly args: number;
  /** `params.uri` of `resources/*`. */
  readonly uri: string | undefined;
  /** `params._meta.progressToken`; of `notifications/progress`, `params.progressToken`. */
  readonly progressToken: string | number | undefined;
  /** `params._meta["io.modelcontextprotocol/protocolVersion"]`: a request of 2026-07-28 or later has it. */
  readonly protocolVersion: string | undefined;
  /** The request that `notifications/cancelled` ends. */
  readonly cancelled: string | number | undefined;
  /** A request that wants a task, or a result that is one. */
  readonly isTask: boolean;
}

/** Why bytes are no message that may be judged. */
export interface Refusal {
  readonly refused: true;
  /** JSON-RPC: -32700, -32600 or -32602. */
  readonly code: number;
  /** A stable word, such as `duplicate_key`. */
  readonly reason: string;
  readonly message: string;
  /** The id as JSON text, when there is exactly one and it is well-formed. */
  readonly idText: string | undefined;
  /** Bytes from the start of the message. */
  readonly offset: number;
  /** What it would have been, as far as can be told. */
  readonly form?: 'request' | 'notification' | 'response' | 'unknown';
}

type Draft = { -readonly [K in keyof Message]: Message[K] };

const TOP = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'] as const;
const topKey = keywords(TOP);
const PARAMS = ['name', 'arguments', 'uri', '_meta', 'cursor', 'progressToken', 'requestId', 'task'] as const;
const paramsKey = keywords(PARAMS);
const metaKeyOfVendor = keywords(['_meta']);
const META = ['progressToken', PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES, LOG_LEVEL] as const;
const metaKey = keywords(META);
const resultKey = keywords(['resultType', 'task']);

const VERSION = encodeUtf8('2.0');
const TASK = encodeUtf8('task');
/** Known methods by length, so that their names need no decoding. */
const knownMethods: (readonly [Uint8Array, string])[][] = [];
for (const { method } of METHODS) (knownMethods[method.length] ??= []).push([encodeUtf8(method), method]);
/** Methods that 2026-07-28 has no more. */
const REMOVED = new Set(
  METHODS.filter(({ revisions }) => !revisions.includes(MODERN_REVISION)).map(({ method }) => method),
);
const targets = new Map(METHODS.map((kind) => [kind.method, kind.target]));

/**
 * Reads one JSON-RPC 2.0 message as MCP has it, strictly: whatever two peers could read differently is refused. Never
 * throws.
 * @param scanner its tape holds the message until its next scan
 * @param bytes the buffer
 * @param start first byte of the message
 * @param end one past its last byte
 */
export function readMessage(scanner: Scanner, bytes: Uint8Array, start: number, end: number): Message | Refusal {
  const fault = scanner.scan(bytes, start, end);
  if (fault !== undefined) return unreadable(fault, bytes, start, end);
  const reader = new Reader(scanner, start);
  return reader.read();
}

/** Reads the one message on a tape; lives as long as the call of `readMessage`. */
class Reader {
  readonly #tape: Scanner;
  readonly #start: number;
  readonly #draft: Draft = {
    kind: 'notification',
    id: undefined,
    idStart: -1,
    idEnd: -1,
    method: undefined,
    params: -1,
    result: -1,
    error: -1,
    name: undefined,
    args: -1,
    uri: undefined,
    progressToken: undefined,
    protocolVersion: undefined,
    cancelled: undefined,
    isTask: false,
  };
  /** Nodes of the top level, by the order of TOP. */
  readonly #top = [-1, -1, -1, -1, -1, -1];

  constructor(tape: Scanner, start: number) {
    this.#tape = tape;
    this.#start = start;
  }

  read(): Message | Refusal {
    return this.#readTop() ?? this.#readId() ?? this.#readKind() ?? this.#draft;
  }

  #readTop(): Refusal | undefined {
    const tape = this.#tape;
    if (tape.kinds[0] === ARRAY)
      return this.#refuse('batch', 'Batches are not accepted; send one message at a time.', 0);
    if (tape.kinds[0] !== OBJECT) return this.#refuse('not_object', 'A message is a JSON object.', 0);
    const end = tape.nexts[0]!;
    let variant = -1;
    for (let key = 1; key < end; key = tape.nexts[key + 1]!) {
      const word = topKey(tape, key);
      if (word >= 0) this.#top[word] = key + 1;
      else if (word === VARIANT) variant = key;
    }
    return variant < 0 ? undefined : this.#refuseVariant(variant, TOP, INVALID_REQUEST);
  }

  #readId(): Refusal | undefined {
    const tape = this.#tape;
    const [jsonrpc, id] = this.#top as [number, number];
    if (jsonrpc < 0 || tape.kinds[jsonrpc] !== STRING || !textIs(tape, jsonrpc, VERSION)) {
      return this.#refuse('jsonrpc_version', 'The member "jsonrpc" must be "2.0".', Math.max(jsonrpc, 0));
    }
    if (id < 0) return undefined;
    this.#draft.idStart = tape.starts[id]!;
    this.#draft.idEnd = tape.ends[id]!;
    this.#draft.id = this.#idAt(id);
    if (this.#draft.id !== undefined) return undefined;
    // An error that answers a message whose id could not be read has no other id to give.
    if (tape.kinds[id] === NULL && this.#top[5]! >= 0 && this.#top[2]! < 0) return undefined;
    return this.#refuse('bad_id', 'The member "id" must be a string or a safe integer.', id);
  }

  #readKind(): Refusal | undefined {
    const draft = this.#draft;
    const [, id, method, params, result, error] = this.#top as [number, number, number, number, number, number];
    draft.params = params;
    draft.result = result;
    draft.error = error;
    if (method >= 0) {
      if (result >= 0 || error >= 0) {
        return this.#refuse('method_and_answer', 'A message asks or answers, never both.', method);
      }
      draft.kind = id >= 0 ? 'request' : 'notification';
      return this.#readMethod(method) ?? this.#readParams();
    }
    if (result >= 0 && error >= 0) {
      return this.#refuse('result_and_error', 'An answer has a result or an error, never both.', error);
    }
    if (result < 0 && error < 0) return this.#refuse('no_method', 'A message has a method, a result or an error.', 0);
    if (id < 0) return this.#refuse('answer_without_id', 'An answer names the request it answers.', 0);
    draft.kind = result >= 0 ? 'result' : 'error';
    if (error >= 0 && this.#tape.kinds[error] !== OBJECT) {
      return this.#refuse('error_not_object', 'The member "error" must be an object.', error);
    }
    this.#readResult();
    return undefined;
  }

  #readMethod(node: number): Refusal | undefined {
    const tape = this.#tape;
    if (tape.kinds[node] !== STRING)
      return this.#refuse('method_not_string', 'The member "method" must be a string.', node);
    this.#draft.method = knownMethod(tape, node) ?? stringAt(tape, node);
    return undefined;
  }

  #readParams(): Refusal | undefined {
    const tape = this.#tape;
    const draft = this.#draft;
    const { params } = draft;
    const method = draft.method!;
    const target = targets.get(method);
    const isKnown = target !== undefined;
    const wantsName = target === 'tool' || target === 'prompt';
    let name = -1;
    let uri = -1;
    let meta = -1;
    if (params >= 0) {
      if (tape.kinds[params] !== OBJECT) {
        return this.#refuse('params_not_object', 'The member "params" must be an object.', params, INVALID_PARAMS);
      }
      const keyOf = isKnown ? paramsKey : metaKeyOfVendor;
      const end = tape.nexts[params]!;
      for (let key = params + 1; key < end; key = tape.nexts[key + 1]!) {
        const word = keyOf(tape, key);
        if (word === VARIANT) return this.#refuseVariant(key, PARAMS, INVALID_PARAMS);
        if (word < 0) continue;
        const value = key + 1;
        switch (isKnown ? PARAMS[word] : '_meta') {
          case 'name':
            name = value;
            break;
          case 'uri':
            uri = value;
            break;
          case '_meta':
            meta = value;
            break;
          case 'arguments':
            if (tape.kinds[value] === OBJECT) draft.args = value;
            else if (wantsName && tape.kinds[value] !== NULL) {
              return this.#refuse(
                'arguments_not_object',
                '"params.arguments" must be an object.',
                value,
                INVALID_PARAMS,
              );
            }
            break;
          case 'progressToken':
            if (method !== 'notifications/progress') break;
            draft.progressToken = this.#idAt(value);
            if (draft.progressToken === undefined) return this.#badToken(value);
            break;
          case 'requestId':
            if (method !== 'notifications/cancelled') break;
            draft.cancelled = this.#idAt(value);
            if (draft.cancelled === undefined) {
              const text = '"params.requestId" must be a string or a safe integer.';
              return this.#refuse('bad_request_id', text, value, INVALID_PARAMS);
            }
            break;
          case 'task':
            draft.isTask = tape.kinds[value] === OBJECT;
            break;
          default:
        }
      }
    }
    if (wantsName) {
      if (name < 0 || tape.kinds[name] !== STRING) {
        return this.#refuse('name_not_string', '"params.name" must be a string.', Math.max(name, 0), INVALID_PARAMS);
      }
      draft.name = stringAt(tape, name);
    }
    const faultOfMeta = meta < 0 ? undefined : this.#readMeta(meta);
    if (faultOfMeta !== undefined) return faultOfMeta;
    if (target !== 'uri') return undefined;
    // A method that its era has not is unknown there, whatever its params: whoever knows methods says so.
    if (uri < 0 && draft.protocolVersion !== undefined && REMOVED.has(method)) return undefined;
    if (uri < 0 || tape.kinds[uri] !== STRING) {
      return this.#refuse('uri_not_string', '"params.uri" must be a string.', Math.max(uri, 0), INVALID_PARAMS);
    }
    draft.uri = stringAt(tape, uri);
    return undefined;
  }

  #readMeta(meta: number): Refusal | undefined {
    const tape = this.#tape;
    const draft = this.#draft;
    if (tape.kinds[meta] !== OBJECT) {
      if (tape.kinds[meta] === NULL) return undefined;
      return this.#refuse('meta_not_object', '"params._meta" must be an object.', meta, INVALID_PARAMS);
    }
    const end = tape.nexts[meta]!;
    for (let key = meta + 1; key < end; key = tape.nexts[key + 1]!) {
      const word = metaKey(tape, key);
      if (word === VARIANT) return this.#refuseVariant(key, META, INVALID_PARAMS);
      const value = key + 1;
      if (word === 0) {
        draft.progressToken = this.#idAt(value);
        if (draft.progressToken === undefined && tape.kinds[value] !== NULL) return this.#badToken(value);
      } else if (word === 1) {
        if (tape.kinds[value] !== STRING) {
          const text = `"params._meta["${META[1]}"]" must be a string.`;
          return this.#refuse('protocol_version_not_string', text, value, INVALID_PARAMS);
        }
        draft.protocolVersion = stringAt(tape, value);
      }
    }
    return undefined;
  }

  #readResult(): void {
    const tape = this.#tape;
    const { result } = this.#draft;
    if (result < 0 || tape.kinds[result] !== OBJECT) return;
    const end = tape.nexts[result]!;
    for (let key = result + 1; key < end; key = tape.nexts[key + 1]!) {
      const word = resultKey(tape, key);
      if (word === 0 && tape.kinds[key + 1] === STRING && textIs(tape, key + 1, TASK)) this.#draft.isTask = true;
      else if (word === 1 && tape.kinds[key + 1] === OBJECT) this.#draft.isTask = true;
    }
  }

  /** A string or a safe integer in its one spelling; undefined for anything else. */
  #idAt(node: number): string | number | undefined {
    const tape = this.#tape;
    if (tape.kinds[node] === STRING) return stringAt(tape, node);
    if (tape.kinds[node] !== NUMBER) return undefined;
    const value = numberAt(tape, node);
    return Number.isSafeInteger(value) ? (value as number) : undefined;
  }

  #badToken(node: number): Refusal {
    return this.#refuse(
      'bad_progress_token',
      'A progress token must be a string or a safe integer.',
      node,
      INVALID_PARAMS,
    );
  }

  #refuseVariant(key: number, words: readonly string[], code: number): Refusal {
    const text = `A key is another spelling of one of ${words.map((word) => `"${word}"`).join(', ')}; peers would disagree on it.`;
    return this.#refuse('key_case', text, key, code);
  }

  #refuse(reason: string, message: string, node: number, code: number = INVALID_REQUEST): Refusal {
    const tape = this.#tape;
    const [, id, method, , result, error] = this.#top as [number, number, number, number, number, number];
    const whole = id >= 0 && this.#idAt(id) !== undefined;
    const asks = method >= 0;
    const answers = result >= 0 || error >= 0;
    return {
      refused: true,
      code,
      reason,
      message,
      idText: whole ? decodeUtf8(tape.bytes, tape.starts[id], tape.ends[id]) : undefined,
      offset: tape.starts[node]! - this.#start,
      form: asks === answers ? 'unknown' : answers ? 'response' : id >= 0 ? 'request' : 'notification',
    };
  }
}

function knownMethod(tape: Scanner, node: number): string | undefined {
  const candidates = knownMethods[tape.ends[node]! - tape.starts[node]! - 2];
  if (candidates === undefined) return undefined;
  for (const [bytes, method] of candidates) if (textIs(tape, node, bytes)) return method;
  return undefined;
}

/** What the scanner did not accept. */
function unreadable(fault: ScanFault, bytes: Uint8Array, start: number, end: number): Refusal {
  const found = salvage(bytes, start, end);
  const isBatch = bytes[pastOddSpace(bytes, start, end)] === 0x5b;
  return {
    refused: true,
    code: isBatch ? INVALID_REQUEST : codeOf(fault),
    reason: isBatch ? 'batch' : fault.code,
    message: isBatch
      ? 'Batches are not accepted; send one message at a time.'
      : `${fault.message} (byte ${fault.offset})`,
    idText: found.idText,
    offset: fault.offset,
    form:
      found.asks === found.answers
        ? 'unknown'
        : found.answers
          ? 'response'
          : found.idText === undefined
            ? 'unknown'
            : 'request',
  };
}

/** What is not JSON at all is a parse error; what is JSON but ambiguous or too much is an invalid request. */
function codeOf(fault: ScanFault): number {
  switch (fault.code) {
    case 'duplicate_key':
    case 'lone_surrogate':
    case 'too_deep':
    case 'too_many_keys':
    case 'too_many_values':
    case 'key_collisions':
      return INVALID_REQUEST;
    default:
      return PARSE_ERROR;
  }
}
