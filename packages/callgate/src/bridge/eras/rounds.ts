import { INTERNAL_ERROR, INVALID_PARAMS, MALFORMED_ANSWER } from '../../protocol/codes.ts';
import type { Id } from '../../protocol/correlate.ts';
import type { Message } from '../../protocol/message.ts';
import { OBJECT, STRING, type Tape } from '../../protocol/nodes.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { quoted, splice, type Edit } from '../../protocol/splice.ts';
import { member, members, stringAt } from '../../protocol/tape.ts';
import { encodeUtf8 } from '../../protocol/text.ts';
import { inOrder, memberEdits, rawAt } from '../../protocol/edits.ts';
import { bytesOf, cancelLine, errorLine, idText, requestLine } from '../../protocol/lines.ts';
import { textMember } from '../../protocol/members.ts';
import type { LinkFailure } from '../../upstreams/link.ts';
import { isUrlMode, lacking, type ClientCapabilities } from './capabilities.ts';
import type { Clock } from '../clock.ts';
import type { Teller } from './teller.ts';
import { ASKS, MAY_ASK } from './words.ts';

/** A legacy client's open request to a modern server, through all its rounds. */
export interface OpenCall {
  readonly client: Id;
  /** What the server knows it by: another one each round. */
  upstream: Id;
  readonly method: string;
  /** What was sent first; kept where the server may want it again. */
  line: Uint8Array | undefined;
  round: number;
  questions: Questions | undefined;
}

/** What the client is being asked for one call. */
interface Questions {
  /** By the id of the request to the client. */
  readonly open: Map<Id, Question>;
  left: number;
  /** JSON text that goes back as it came. */
  readonly state: Uint8Array | undefined;
  readonly until: number;
}

interface Question {
  /** The one the server gave. */
  readonly key: string;
  /** The request, until it is sent. */
  line: Uint8Array | undefined;
  /** JSON text, when it has come. */
  answer: Uint8Array | undefined;
}

export interface RoundsOptions {
  readonly limits: { readonly rounds: number; readonly answerMs: number; readonly asks: number };
  readonly clock: Clock;
  readonly random: (bytes: number) => Uint8Array;
  readonly teller: Teller;
  readonly scanner: Scanner;
  capabilities(): ClientCapabilities;
  freshId(): Id;
  /** Sends a call again; `call.upstream` is its id now. */
  retry(call: OpenCall, line: Uint8Array): void;
  /** A call is over without an answer of the server. */
  over(call: OpenCall): void;
}

/** What a retry has besides what the call had. */
export const OF_ROUNDS: ReadonlySet<string> = new Set(['inputResponses', 'requestState']);

/**
 * Questions that a modern server puts into results, asked of a legacy client as requests of the server; with its answers
 * the call is sent again.
 */
export class Rounds {
  readonly #o: RoundsOptions;
  readonly #asked = new Map<Id, OpenCall>();

  constructor(options: RoundsOptions) {
    this.#o = options;
  }

  get isEmpty(): boolean {
    return this.#asked.size === 0;
  }

  /** A call came back with questions: the tape holds its result. */
  begin(call: OpenCall, result: number): void {
    const { scanner: tape, limits, clock } = this.#o;
    if (call.line === undefined || !MAY_ASK.has(call.method)) return this.#fail(call, UNASKED);
    if (++call.round > limits.rounds) return this.#fail(call, TOO_MANY_ROUNDS);
    const requests = member(tape, result, 'inputRequests');
    if (requests >= 0 && tape.kinds[requests] !== OBJECT) return this.#fail(call, UNREADABLE_QUESTION);
    const state = member(tape, result, 'requestState');
    if (state >= 0 && tape.kinds[state] !== STRING) return this.#fail(call, UNREADABLE_QUESTION);
    const questions: Questions = {
      open: new Map(),
      left: 0,
      state: state < 0 ? undefined : rawAt(tape, state).slice(),
      until: clock.now() + limits.answerMs,
    };
    for (const key of members(tape, requests)) {
      if (questions.left >= limits.asks) return this.#fail(call, TOO_MANY_QUESTIONS);
      const method = textMember(tape, key + 1, 'method');
      if (method === undefined || !ASKS.has(method)) return this.#fail(call, UNREADABLE_QUESTION);
      const params = member(tape, key + 1, 'params');
      const missing = lacking(this.#o.capabilities(), method, tape, params);
      if (missing !== undefined) return this.#lacks(call, missing);
      const id = this.#o.freshId();
      const line = requestLine(id, method, this.#params(tape, method, params));
      questions.open.set(id, { key: stringAt(tape, key), line, answer: undefined });
      questions.left++;
    }
    // Neither a question nor a state: then a retry would be the same call, for ever.
    if (questions.left === 0 && questions.state === undefined) return this.#fail(call, UNREADABLE_QUESTION);
    call.questions = questions;
    if (questions.left === 0) return this.#again(call, questions);
    for (const id of questions.open.keys()) this.#asked.set(id, call);
    for (const question of questions.open.values()) {
      // One that is denied on the way ends the call at once.
      if (call.questions !== questions) return;
      const line = question.line as Uint8Array;
      question.line = undefined;
      this.#o.teller.message(line, call.client);
    }
  }

  /** The client answers something; the tape holds it. What it was not asked is dropped. */
  answered(message: Message): void {
    const id = message.id as Id;
    const call = this.#asked.get(id);
    const questions = call?.questions;
    const question = questions?.open.get(id);
    if (call === undefined || questions === undefined || question === undefined) return;
    const { scanner: tape } = this.#o;
    this.#asked.delete(id);
    if (message.kind === 'error') {
      const head = `{"jsonrpc":"2.0","id":${idText(call.client)},"error":`;
      return this.#over(call, bytesOf(head, rawAt(tape, message.error), '}'));
    }
    if (tape.kinds[message.result] !== OBJECT) {
      return this.#over(call, errorLine(call.client, INVALID_PARAMS, 'The client answered with no object.'));
    }
    question.answer = rawAt(tape, message.result).slice();
    if (--questions.left === 0) this.#again(call, questions);
  }

  /** The client gave the call up: it need not answer. */
  callOff(call: OpenCall): void {
    for (const [id, { answer, line }] of call.questions?.open ?? []) {
      if (!this.#asked.delete(id) || answer !== undefined || line !== undefined) continue;
      this.#o.teller.message(cancelLine(id, 'The call it was asked for is over.'), call.client);
    }
    call.questions = undefined;
  }

  /** Ends calls whose client does not answer. */
  sweep(): void {
    const now = this.#o.clock.now();
    for (const call of new Set(this.#asked.values())) {
      if (call.questions!.until > now) continue;
      this.#over(call, errorLine(call.client, INTERNAL_ERROR, 'The client was asked and did not answer in time.'));
    }
  }

  #again(call: OpenCall, { open, state }: Questions): void {
    const { scanner: tape } = this.#o;
    const line = call.line as Uint8Array;
    call.questions = undefined;
    call.upstream = this.#o.freshId();
    // It was read before, when it came.
    if (tape.scan(line) !== undefined) return this.#fail(call, UNREADABLE_QUESTION);
    const id = member(tape, 0, 'id');
    const params = member(tape, 0, 'params');
    const edits: Edit[] = memberEdits(tape, params, OF_ROUNDS);
    const end = tape.ends[params]! - 1;
    const responses = [...open.values()].flatMap(({ key, answer }, index) => [
      `${index === 0 ? '' : ','}${quoted(key)}:`,
      answer!,
    ]);
    const stated = state === undefined ? [] : [',"requestState":', state];
    const answered = open.size === 0 ? [] : [',"inputResponses":{', ...responses, '}'];
    // Never the first member: `_meta` is there.
    edits.push({ start: end, end, text: bytesOf(...answered, ...stated) });
    edits.push({ start: tape.starts[id]!, end: tape.ends[id]!, text: encodeUtf8(idText(call.upstream)) });
    this.#o.retry(call, splice(line, 0, line.length, inOrder(edits)));
  }

  /** An elicitation by URL has an id in the eras with sessions. */
  #params(tape: Tape, method: string, params: number): Uint8Array | undefined {
    if (params < 0) return undefined;
    if (method !== 'elicitation/create' || !isUrlMode(tape, params)) return rawAt(tape, params).slice();
    const id = Buffer.from(this.#o.random(12)).toString('base64url');
    const edits = memberEdits(tape, params, ELICITATION_ID, [`"elicitationId":"${id}"`]);
    return splice(tape.bytes, tape.starts[params]!, tape.ends[params]!, edits);
  }

  #lacks(call: OpenCall, missing: Record<string, object>): void {
    const data = { requiredCapabilities: missing };
    const text = 'The server needs something of the client that it cannot do.';
    this.#over(call, errorLine(call.client, INVALID_PARAMS, text, data));
  }

  #over(call: OpenCall, line: Uint8Array): void {
    this.callOff(call);
    this.#o.over(call);
    this.#o.teller.message(line, call.client);
  }

  #fail(call: OpenCall, failure: LinkFailure): void {
    this.callOff(call);
    this.#o.over(call);
    this.#o.teller.failed(call.client, failure);
  }
}

const ELICITATION_ID: ReadonlySet<string> = new Set(['elicitationId']);

function failure(why: string): LinkFailure {
  return { code: MALFORMED_ANSWER, why, kind: 'refused' };
}

const UNASKED = failure('answered with questions where there are none to be asked');
const UNREADABLE_QUESTION = failure('asked something that is no question');
const TOO_MANY_QUESTIONS = failure('asked too much at a time');
const TOO_MANY_ROUNDS = failure('asked again and again');
