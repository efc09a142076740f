import type { Annotations } from '../model/call.ts';
import type { Decision, RateObligation, RedactObligation } from '../model/decision.ts';
import type { Principal } from '../model/principal.ts';
import type { OutcomeRecord } from '../model/record.ts';
import type { Evidence } from '../evidence/index.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import {
  EVIDENCE_UNAVAILABLE,
  MALFORMED_ANSWER,
  METHOD_REFUSED,
  SERVER_ENDED,
  TOO_MANY_IN_FLIGHT,
} from '../protocol/codes.ts';
import { Pending } from '../protocol/correlate.ts';
import { readMessage, type Message, type Refusal } from '../protocol/message.ts';
import { methodKind } from '../protocol/methods.ts';
import { errorAnswer } from '../protocol/refusal.ts';
import { salvageId, salvageOversize } from '../protocol/salvage.ts';
import { Returns } from '../protocol/returns.ts';
import { Scanner, TRUE } from '../protocol/scan.ts';
import { decodeUtf8, splice, type Edit } from '../protocol/splice.ts';
import { member } from '../protocol/tape.ts';
import type { Limits } from '../state/limits.ts';
import { readAnnotations } from './annotations.ts';
import { resolvePaths, type PathResolver } from './facts.ts';
import { embeddedRequests } from './embedded.ts';
import type { Floor } from './floor.ts';
import { LiveCall } from './live-call.ts';
import { Recorder } from './recorder.ts';
import { rateKey, redact, redactionsOn, untrustedHit } from './obligations.ts';
import { refusalBytes, refusedByPolicy, refusedByRate, type Refused } from './refuse.ts';
import { stringsOf } from './strings.ts';
import { resultOfTask, Tasks, type TaskOrigin } from './tasks.ts';

/** Where judged bytes leave: `line` takes a line of the input without its newline, `whole` a line with it. */
export interface Outbox {
  line(bytes: Uint8Array, start: number, end: number): void;
  whole(line: Uint8Array): void;
}

export interface JudgeOptions {
  readonly server: string;
  readonly principal: Principal;
  readonly transport: string;
  /** The policy in force; asked for each message, so that a reload takes effect at once. */
  policy(): CompiledPolicy;
  readonly evidence: Evidence;
  /** Shared limits of the home. Throws when they cannot be reached; the call is then denied. */
  limits(): Limits;
  readonly floor: Floor;
  /** Shared with the floor. */
  readonly paths: PathResolver;
  /** What `~` stands for in a path. */
  readonly userHome: string | undefined;
  readonly trustAnnotations: boolean;
  readonly refusal: 'result' | 'error';
  readonly messageLimits: { readonly depth: number; readonly keys: number };
  readonly inFlight: number;
  /** Explicit, logged settings (`fail: open`, `evidence.required: false`). Denials and the floor still hold. */
  readonly pass: { readonly unjudged: boolean; readonly unrecorded: boolean };
  readonly toServer: Outbox;
  readonly toClient: Outbox;
  /** Milliseconds since the epoch. */
  now(): number;
  /** A monotonic clock in microseconds. */
  mono(): number;
  warn(message: string): void;
}

/** A request that was let through and whose answer is awaited. */
interface Open {
  readonly sequence: number;
  readonly method: string;
  readonly name: string | undefined;
  readonly uri: string | undefined;
  readonly modern: boolean;
  readonly idText: string;
  readonly since: number;
  readonly redactResult: readonly RedactObligation[] | undefined;
  /** The call whose result may come in the answer. */
  readonly task: TaskOrigin | undefined;
}

/** What was decided about one message, before it is worded. */
interface Verdict {
  readonly decision: Decision;
  readonly edits: readonly Edit[];
  readonly redactResult: readonly RedactObligation[] | undefined;
  readonly spent: { readonly rule: string; readonly retryAfterMs: number } | undefined;
}

export type Side = 'client' | 'server';

/**
 * The one place that knows the order: scan, floor, policy, limits, redaction, evidence, forward; then the answer's way
 * back. It performs no I/O of its own: what it judged goes to the outboxes, what it decided to the evidence, and the
 * transport flushes the evidence before it lets the outboxes leave.
 */
export class Judge {
  readonly #o: JudgeOptions;
  readonly #scanner: Scanner;
  readonly #returns = new Returns();
  readonly #record: Recorder;
  readonly #open: { readonly client: Pending<Open>; readonly server: Pending<Open> };
  readonly #annotations = new Map<string, Annotations>();
  readonly #tasks = new Tasks();
  /** Ids let through since the books were last closed (see settle). */
  #uncommitted: (string | number)[] = [];

  constructor(options: JudgeOptions) {
    this.#o = options;
    this.#scanner = new Scanner(options.messageLimits);
    this.#record = new Recorder(options);
    this.#open = { client: new Pending<Open>(options.inFlight), server: new Pending<Open>(options.inFlight) };
  }

  /** Judges one line. A fault of ours refuses that line and harms no other. */
  line(from: Side, bytes: Uint8Array, start: number, end: number): void {
    try {
      this.#judge(from, bytes, start, end);
    } catch (error) {
      this.#o.warn(`A message could not be judged and was refused: ${messageOf(error)}`);
      const idText = salvageId(bytes, start, end);
      const message = 'It could not be judged; the log of the gate says why.';
      this.#refuseMalformed(from, { refused: true, code: -32603, reason: 'fault', message, idText, offset: 0 });
    }
  }

  /** A line longer than the limit, of which only the two ends were kept. */
  oversize(from: Side, head: Uint8Array, tail: Uint8Array, length: number): void {
    const { idText } = salvageOversize(head, tail);
    const message = `The message has ${length} bytes, more than limits.messageBytes allows.`;
    this.#refuseMalformed(from, { refused: true, code: -32600, reason: 'too_large', message, idText, offset: 0 });
  }

  /**
   * Closes the books on what was judged since the last time. Returns how to take it back, for when its evidence cannot
   * be written: those calls are answered, not forwarded.
   */
  settle(): (cause: unknown) => void {
    if (this.#uncommitted.length === 0) return NOTHING_TO_TAKE_BACK;
    const ids = this.#uncommitted;
    this.#uncommitted = [];
    return (cause) => {
      const why = messageOf(cause);
      for (const id of ids) {
        const open = this.#open.client.take(id);
        if (open === undefined) continue;
        const text = `Callgate refused the call: its evidence could not be written. ${why}`;
        this.#o.toClient.whole(errorAnswer(open.idText, EVIDENCE_UNAVAILABLE, text));
        this.#unlessFull(() => this.#outcome(open, 'denied', 0));
      }
    };
  }

  /** The server has ended: every open request of the client is answered. */
  serverEnded(how: string): void {
    for (const open of this.#open.client.drain()) {
      this.#outcome(open, 'lost', 0);
      const text = `The server "${this.#o.server}" ${how} before it answered.`;
      this.#o.toClient.whole(
        errorAnswer(open.idText, SERVER_ENDED, text, { record: this.#o.evidence.idOf(open.sequence) }),
      );
    }
  }

  /** Requests of the client that await an answer; a subscription, which awaits none, is not counted. */
  get awaited(): number {
    let count = 0;
    for (const open of this.#open.client.values()) if (open.method !== 'subscriptions/listen') count++;
    return count;
  }

  /** The session is over: what was only counted is recorded. */
  close(): void {
    this.#record.close();
  }

  #judge(from: Side, bytes: Uint8Array, start: number, end: number): void {
    this.#o.paths.forget();
    const message = readMessage(this.#scanner, bytes, start, end);
    if ('refused' in message) return this.#refuseMalformed(from, message);
    if (this.#returns.within(bytes, start, end)) return this.#refuseMalformed(from, splitByReturn(message, bytes));
    if (message.kind === 'request' || message.kind === 'notification') this.#judgeAsk(from, message, bytes, start, end);
    else this.#judgeAnswer(from, message, bytes, start, end);
  }

  /** A request or notification: decided, recorded, forwarded or refused. */
  #judgeAsk(from: Side, message: Message, bytes: Uint8Array, start: number, end: number): void {
    const method = message.method as string;
    const isRequest = message.kind === 'request';
    const malformed = this.#wrongForm(from, message, bytes);
    if (malformed !== undefined) return this.#refuseMalformed(from, malformed);

    const call = this.#callOf(from, message);
    const verdict = this.#decide(call, message, bytes);
    const { decision } = verdict;
    const refused = decision.effect !== 'allow' || verdict.spent !== undefined;
    if (!refused && !isRequest && methodKind(method, from)?.counted === true) {
      this.#record.passed();
      this.#noteNotification(from, message);
      return this.#forward(from, bytes, start, end, verdict.edits);
    }
    const sequence = this.#record.decision(call, message, bytes, this.#scanner, decision, verdict.spent !== undefined);
    if (refused) return this.#refuse(from, message, bytes, call, verdict, sequence);

    if (from === 'server' && !this.#flushNow(message, bytes)) return;
    if (isRequest) this.#await(from, message, bytes, sequence, verdict.redactResult);
    else this.#noteNotification(from, message);
    if (method === 'initialize' && from === 'client') this.#record.introduce(this.#scanner, message.params);
    this.#forward(from, bytes, start, end, verdict.edits);
  }

  /** An answer: matched to its request, judged by the rules on results, recorded, forwarded. */
  #judgeAnswer(from: Side, message: Message, bytes: Uint8Array, start: number, end: number): void {
    const asker: Side = from === 'client' ? 'server' : 'client';
    const open = message.id === undefined ? undefined : this.#open[asker].take(message.id);
    if (open === undefined)
      return this.#malformed(from, 'unmatched_answer', 'An answer that no open request awaits was dropped.');

    const body = message.result >= 0 ? message.result : message.error;
    const policy = this.#o.policy();
    const tool = open.method === 'tools/call' ? open.name : undefined;
    let edits: readonly Edit[] = NONE;
    let redactions = open.redactResult;
    if (policy.needsResult(this.#o.server, open.method, tool) || from === 'client') {
      const call = this.#answerOf(from, open, body);
      const decision = this.#guarded(() => policy.decide(this.#withFacts(call, policy)));
      if (decision.effect !== 'allow') return this.#refuseAnswer(from, open, call, message, bytes, decision);
      redactions = redactionsOn('result', decision, redactions);
      if (from === 'client') this.#record.decision(call, message, bytes, this.#scanner, decision, false);
    }
    if (from === 'server') {
      const inner = this.#judgeInside(open, message, bytes, redactions);
      if (inner === 'refused') return;
      redactions = inner;
    }
    if (redactions !== undefined) {
      const redacted = redact(this.#scanner, body, redactions, message);
      if ('effect' in redacted) {
        return this.#refuseAnswer(from, open, this.#answerOf(from, open, body), message, bytes, redacted);
      }
      edits = redacted;
    }
    if (from === 'server') {
      if (open.method === 'tools/list' && this.#o.trustAnnotations)
        readAnnotations(this.#scanner, message.result, this.#annotations);
      if (open.method === 'initialize') this.#record.agreed(this.#scanner, message.result);
      this.#outcome(open, statusOf(this.#scanner, open, message), end - start, edits.length);
    }
    this.#forward(from, bytes, start, end, edits);
  }

  /**
   * What else an answer of the server carries: the result of a task, judged as its tool's, and requests to the client,
   * judged as such. Answers what may not pass in its place.
   */
  #judgeInside(
    open: Open,
    message: Message,
    bytes: Uint8Array,
    due: readonly RedactObligation[] | undefined,
  ): readonly RedactObligation[] | undefined | 'refused' {
    const tape = this.#scanner;
    const policy = this.#o.policy();
    let redactions = due;
    if (open.method === 'tools/call' && message.isTask && !this.#tasks.started(tape, message.result, open)) {
      this.#refuseAnswer(
        'server',
        open,
        this.#answerOf('server', open, message.result),
        message,
        bytes,
        TOO_MANY_TASKS,
      );
      return 'refused';
    }
    if (open.task !== undefined) {
      const { name, redactResult } = open.task;
      if (redactResult !== undefined) redactions = [...(redactions ?? []), ...redactResult];
      const result = message.error >= 0 ? message.error : resultOfTask(tape, open.method, message.result);
      if (result >= 0 && policy.needsResult(this.#o.server, 'tools/call', name)) {
        const call = this.#answerOf('server', { ...open, method: 'tools/call', name }, result);
        const decision = this.#guarded(() => policy.decide(this.#withFacts(call, policy)));
        if (decision.effect !== 'allow') {
          this.#refuseAnswer('server', open, call, message, bytes, decision);
          return 'refused';
        }
        redactions = redactionsOn('result', decision, redactions);
      }
    }
    const asks = embeddedRequests(tape, message.result);
    for (const { method, params } of asks) {
      const call = this.#embeddedCall(method ?? '(unreadable)', params);
      let decision =
        method === undefined ? UNREADABLE : this.#guarded(() => policy.decide(this.#withFacts(call, policy)));
      const within = redactionsOn('args', decision, undefined);
      if (within?.some(({ fields }) => fields.length > 0) === true) decision = UNREDACTABLE;
      if (decision.effect === 'allow') {
        const spent = this.#takeRates(call, decision);
        decision = spent.refused === undefined ? spent.decision : { ...SPENT, rule: spent.refused.rule };
      }
      if (decision.effect !== 'allow') {
        this.#refuseAnswer('server', open, call, message, bytes, decision);
        return 'refused';
      }
      if (within !== undefined) redactions = [...(redactions ?? []), ...within];
      this.#record.decision(call, message, bytes, tape, decision, false);
    }
    if (asks.length > 0 && !this.#flushNow(message, bytes)) {
      this.#reply(
        'client',
        errorAnswer(
          open.idText,
          EVIDENCE_UNAVAILABLE,
          'Callgate refused what the server asks for: its evidence could not be written.',
        ),
      );
      return 'refused';
    }
    return redactions;
  }

  #embeddedCall(method: string, params: number): LiveCall {
    return new LiveCall({
      direction: 'request',
      server: this.#o.server,
      method,
      tool: undefined,
      prompt: undefined,
      uri: undefined,
      principal: this.#o.principal,
      annotations: undefined,
      tape: this.#scanner,
      node: params,
    });
  }

  /** Floor, then policy, then limits, then redaction. Whatever goes wrong on the way is a denial (or the logged fail-open). */
  #decide(call: LiveCall, message: Message, bytes: Uint8Array): Verdict {
    const floor = this.#floor(call, message, bytes);
    if (floor !== undefined) return { decision: floor, edits: NONE, redactResult: undefined, spent: undefined };
    const policy = this.#o.policy();
    const judged = this.#guarded(() => policy.decide(this.#withFacts(call, policy)));
    if (judged.effect !== 'allow' || judged.obligations.length === 0) {
      return { decision: judged, edits: NONE, redactResult: undefined, spent: undefined };
    }
    const { decision, refused: spent } = this.#takeRates(call, judged);
    if (decision.effect !== 'allow') return { decision, edits: NONE, redactResult: undefined, spent: undefined };
    const redactResult = redactionsOn('result', decision, undefined);
    const redactArgs = redactionsOn('args', decision, undefined);
    if (spent !== undefined || redactArgs === undefined || message.params < 0) {
      return { decision, edits: NONE, redactResult, spent };
    }
    const node = isNamed(message) ? message.args : message.params;
    const hit = untrustedHit(this.#scanner, node, redactArgs, message);
    if (hit !== undefined) return { decision: hit, edits: NONE, redactResult: undefined, spent: undefined };
    const redacted = redact(this.#scanner, node, redactArgs, message);
    if ('effect' in redacted) return { decision: redacted, edits: NONE, redactResult: undefined, spent: undefined };
    return { decision, edits: redacted, redactResult, spent: undefined };
  }

  #floor(call: LiveCall, message: Message, bytes: Uint8Array): Decision | undefined {
    if (call.direction !== 'call' || message.params < 0) return undefined;
    const tape = this.#scanner;
    if (!this.#o.floor.mayTouch(bytes, tape.starts[message.params] as number, tape.ends[message.params] as number)) {
      return undefined;
    }
    const hit = this.#o.floor.judge(stringsOf(tape, message.params));
    return hit === undefined ? undefined : { effect: 'deny', rule: hit.id, reason: hit.reason, obligations: NONE };
  }

  #takeRates(call: LiveCall, decision: Decision): { decision: Decision; refused: Verdict['spent'] } {
    const rates = decision.obligations.filter((o): o is RateObligation => o.kind === 'rate');
    if (rates.length === 0) return { decision, refused: undefined };
    const wanted = rates.map((rate) => ({ key: rateKey(rate, call), max: rate.max, windowMs: rate.windowMs }));
    try {
      const taken = this.#o.limits().take(wanted, this.#o.now());
      if (taken.ok) return { decision, refused: undefined };
      const { rule } = rates[taken.index] as RateObligation;
      return { decision, refused: { rule, retryAfterMs: taken.retryAfterMs } };
    } catch (error) {
      // Only the limit could not be told: what else the policy asks for is still done.
      return { decision: { ...this.#fault(error), obligations: decision.obligations }, refused: undefined };
    }
  }

  /** Runs the engine; an engine that throws denies, unless the operator chose otherwise. */
  #guarded(decide: () => Decision): Decision {
    try {
      return decide();
    } catch (error) {
      return this.#fault(error);
    }
  }

  #fault(error: unknown): Decision {
    const why = messageOf(error);
    if (this.#o.pass.unjudged) {
      this.#o.warn(`fail: open let a message pass that could not be judged: ${why}`);
      return { effect: 'allow', rule: 'fail-open', reason: why, obligations: NONE, indeterminate: why };
    }
    return {
      effect: 'deny',
      rule: 'engine-fault',
      reason: `It could not be judged: ${why}`,
      obligations: NONE,
      indeterminate: why,
    };
  }

  #withFacts(call: LiveCall, policy: CompiledPolicy): LiveCall {
    const fields = policy.pathsNeeded(call);
    if (fields.length > 0) call.paths = resolvePaths(call.args(), fields, this.#o.paths.resolve, this.#o.userHome);
    return call;
  }

  #callOf(from: Side, message: Message): LiveCall {
    const method = message.method as string;
    const isTool = method === 'tools/call';
    // What has arguments is judged by them alone: a member beside them, which no server reads, must not stand in for one.
    const node = isNamed(message) ? message.args : message.params;
    return new LiveCall({
      direction: from === 'client' ? 'call' : 'request',
      server: this.#o.server,
      method,
      tool: isTool ? message.name : undefined,
      prompt: method === 'prompts/get' ? message.name : undefined,
      uri: message.uri,
      principal: this.#o.principal,
      annotations: isTool && message.name !== undefined ? this.#annotations.get(message.name) : undefined,
      tape: this.#scanner,
      node,
    });
  }

  #answerOf(from: Side, open: Open, body: number): LiveCall {
    const isTool = open.method === 'tools/call';
    return new LiveCall({
      direction: from === 'server' ? 'result' : 'answer',
      server: this.#o.server,
      method: open.method,
      tool: isTool ? open.name : undefined,
      prompt: open.method === 'prompts/get' ? open.name : undefined,
      uri: open.uri,
      principal: this.#o.principal,
      annotations: isTool && open.name !== undefined ? this.#annotations.get(open.name) : undefined,
      tape: this.#scanner,
      node: body,
    });
  }

  #await(from: Side, message: Message, bytes: Uint8Array, sequence: number, redactResult: Open['redactResult']): void {
    const id = message.id as string | number;
    this.#open[from].add(id, {
      sequence,
      method: message.method as string,
      name: message.name,
      uri: message.uri,
      modern: message.protocolVersion !== undefined,
      idText: idTextOf(message, bytes),
      since: this.#o.mono(),
      redactResult,
      task:
        from === 'client' ? this.#tasks.askedFor(this.#scanner, message.method as string, message.params) : undefined,
    });
    if (from === 'client') this.#uncommitted.push(id);
  }

  /** `notifications/cancelled` ends the request it names, if its sender made it: a late answer is then dropped, and its id stays taken. */
  #noteNotification(from: Side, message: Message): void {
    if (message.cancelled === undefined) return;
    const open = this.#open[from].retire(message.cancelled);
    if (open !== undefined && from === 'client') this.#outcome(open, 'cancelled', 0);
  }

  #wrongForm(from: Side, message: Message, bytes: Uint8Array): Refusal | undefined {
    const method = message.method as string;
    const kind = methodKind(method, from);
    const isRequest = message.kind === 'request';
    const idText = isRequest ? idTextOf(message, bytes) : undefined;
    const refusal = (code: number, reason: string, text: string, id = idText): Refusal => ({
      refused: true,
      code,
      reason,
      message: text,
      idText: id,
      offset: 0,
      form: isRequest ? 'request' : 'notification',
    });
    if (kind !== undefined && kind.form !== message.kind) {
      return refusal(-32600, 'wrong_form', `"${method}" is a ${kind.form}, but came as a ${message.kind}.`);
    }
    if (from === 'server' && kind === undefined && methodKind(method, 'client') !== undefined) {
      return refusal(METHOD_REFUSED, 'wrong_direction', `"${method}" is the client's to send, not the server's.`);
    }
    if (!isRequest) return undefined;
    const open = this.#open[from];
    if (open.isTaken(message.id as string | number)) {
      // An error under that id would be taken for the answer to the first request; and the late answer to a request that
      // was cancelled must not be judged as that to another.
      return refusal(
        -32600,
        'id_in_use',
        `The id ${idText} belongs to a request that is still open or was cancelled.`,
        undefined,
      );
    }
    if (open.size >= this.#o.inFlight) {
      return refusal(TOO_MANY_IN_FLIGHT, 'too_many_in_flight', `More than ${this.#o.inFlight} requests are open.`);
    }
    return undefined;
  }

  #refuse(from: Side, message: Message, bytes: Uint8Array, call: LiveCall, verdict: Verdict, sequence: number): void {
    if (message.kind !== 'request') return;
    const what = call.tool === undefined ? `"${call.method}"` : `the call of "${call.tool}"`;
    const record = this.#o.evidence.idOf(sequence);
    const refused: Refused =
      verdict.spent === undefined
        ? refusedByPolicy(what, verdict.decision, record)
        : refusedByRate(what, verdict.spent.rule, verdict.spent.retryAfterMs, record);
    const form = {
      toolCall: call.tool !== undefined,
      modern: message.protocolVersion !== undefined,
      asError: this.#o.refusal === 'error',
    };
    this.#reply(from, refusalBytes(idTextOf(message, bytes), refused, form));
  }

  /** An answer that the policy does not let through: the asker gets a refusal in its place. */
  #refuseAnswer(from: Side, open: Open, call: LiveCall, message: Message, bytes: Uint8Array, decision: Decision): void {
    const sequence = this.#record.decision(call, message, bytes, this.#scanner, decision, false);
    if (from === 'server') this.#outcome(open, 'denied', 0);
    const what = open.name === undefined ? `the answer to "${open.method}"` : `the result of "${open.name}"`;
    const refused = refusedByPolicy(what, decision, this.#o.evidence.idOf(sequence));
    const form = {
      toolCall: from === 'server' && open.method === 'tools/call',
      modern: open.modern,
      asError: this.#o.refusal === 'error',
    };
    this.#boxAfter(from).whole(refusalBytes(open.idText, refused, form));
  }

  /** Bytes that never became a message. An answer is refused to whoever awaits it, all else to whoever sent it. */
  #refuseMalformed(from: Side, refusal: Refusal): void {
    this.#malformed(from, refusal.reason, refusal.message);
    const id = parseId(refusal.idText);
    const asker: Side = from === 'client' ? 'server' : 'client';
    if (refusal.form === 'response' || (refusal.form !== 'request' && from === 'server')) {
      const open = id === undefined ? undefined : this.#open[asker].take(id);
      if (open === undefined) return;
      if (asker === 'client') this.#outcome(open, 'malformed', 0);
      const text = `Callgate refused the answer: ${refusal.message}`;
      return this.#reply(asker, errorAnswer(open.idText, MALFORMED_ANSWER, text, { reason: refusal.reason }));
    }
    // An error under the id of a request that is still open would be taken for its answer.
    const clash = id !== undefined && this.#open[from].isTaken(id);
    const text = `Callgate refused the message: ${refusal.message}`;
    this.#reply(from, errorAnswer(clash ? undefined : refusal.idText, refusal.code, text, { reason: refusal.reason }));
  }

  #malformed(from: Side, reason: string, message: string): void {
    this.#unlessFull(() => this.#record.malformed(from, reason, message));
  }

  /** For records of what does not go anyway: that evidence takes no more must not keep the refusal from its sender. */
  #unlessFull(append: () => void): void {
    try {
      append();
    } catch (error) {
      this.#o.warn(messageOf(error));
    }
  }

  #outcome(open: Open, status: OutcomeRecord['status'], bytes: number, redactions = 0): void {
    this.#o.evidence.append({
      type: 'outcome',
      time: this.#o.now(),
      mono: this.#o.mono(),
      decision: open.sequence,
      status,
      us: Math.round(this.#o.mono() - open.since),
      bytes,
      ...(redactions > 0 ? { redactions } : {}),
    });
  }

  /** A server's request is answered by the client, so its evidence is written before it leaves, not with the chunk. */
  #flushNow(message: Message, bytes: Uint8Array): boolean {
    try {
      this.#o.evidence.flush();
      return true;
    } catch (error) {
      if (this.#o.pass.unrecorded) return true;
      const why = messageOf(error);
      this.#o.warn(why);
      if (message.kind === 'request') {
        this.#reply(
          'server',
          errorAnswer(idTextOf(message, bytes), EVIDENCE_UNAVAILABLE, `Callgate refused the request: ${why}`),
        );
      }
      return false;
    }
  }

  #forward(from: Side, bytes: Uint8Array, start: number, end: number, edits: readonly Edit[]): void {
    const box = this.#boxAfter(from);
    if (edits.length === 0) return box.line(bytes, start, end);
    const line = splice(bytes, start, end, edits);
    box.line(line, 0, line.length);
  }

  #reply(to: Side, line: Uint8Array): void {
    (to === 'client' ? this.#o.toClient : this.#o.toServer).whole(line);
  }

  #boxAfter(from: Side): Outbox {
    return from === 'client' ? this.#o.toServer : this.#o.toClient;
  }
}

function denied(rule: string, reason: string): Decision {
  return { effect: 'deny', rule, reason, obligations: [] };
}

/** A line that some peers read as several. */
function splitByReturn(message: Message, bytes: Uint8Array): Refusal {
  return {
    refused: true,
    code: -32600,
    reason: 'carriage_return',
    message: 'A carriage return stands inside the line; some peers would read what follows as another message.',
    idText: message.id === undefined ? undefined : idTextOf(message, bytes),
    offset: 0,
    form: message.kind === 'result' || message.kind === 'error' ? 'response' : message.kind,
  };
}

/** Calls of a tool or prompt: they name it and have arguments. */
function isNamed(message: Message): boolean {
  return message.name !== undefined;
}

const NONE: readonly never[] = [];
const UNREADABLE = denied('protocol:embedded_request', 'the server asks for something in a form that cannot be judged');
const UNREDACTABLE = denied('redact', 'fields of a request inside a result cannot be redacted');
const SPENT = denied('rate', 'the limit for what the server asks is spent');
const TOO_MANY_TASKS = denied('tasks', 'too many tasks were started in this session to tell whose a result is');
const NOTHING_TO_TAKE_BACK = (): void => undefined;

function statusOf(tape: Scanner, open: Open, message: Message): OutcomeRecord['status'] {
  if (message.result < 0) return 'error';
  if (open.method !== 'tools/call') return 'ok';
  const flag = member(tape, message.result, 'isError');
  return flag >= 0 && tape.kinds[flag] === TRUE ? 'tool_error' : 'ok';
}

function idTextOf(message: Message, bytes: Uint8Array): string {
  return decodeUtf8(bytes, message.idStart, message.idEnd);
}

function parseId(idText: string | undefined): string | number | undefined {
  if (idText === undefined) return undefined;
  try {
    const id: unknown = JSON.parse(idText);
    return typeof id === 'string' || typeof id === 'number' ? id : undefined;
  } catch {
    return undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
