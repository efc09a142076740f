import type { Decision } from '../model/decision.ts';
import type { Principal } from '../model/principal.ts';
import type { DecisionRecord } from '../model/record.ts';
import type { Evidence } from '../evidence/index.ts';
import type { CompiledPolicy } from '../policy/index.ts';
import type { Message } from '../protocol/message.ts';
import { STRING, type Scanner } from '../protocol/scan.ts';
import { member, stringAt } from '../protocol/tape.ts';
import type { LiveCall } from './live-call.ts';
import { maskArguments } from './mask.ts';
import { recordable } from './recordable.ts';

/** What the recorder needs of the judge's options. */
export interface RecorderOptions {
  readonly server: string;
  readonly principal: Principal;
  readonly transport: string;
  policy(): CompiledPolicy;
  readonly evidence: Evidence;
  now(): number;
  mono(): number;
}

/** What else a record of a decision says. */
export interface Particulars {
  /** A limit of a rule is spent. */
  readonly limited?: boolean;
  /** The arguments leave otherwise than they came (and are recorded as they came). */
  readonly edited?: boolean;
  /** Without the arguments, or the result. */
  readonly bare?: boolean;
}

const STORED_ARGUMENT_BYTES = 64 * 1024;
const STORED_REASON_LENGTH = 1024;
/** The masked copy of the arguments shows the rest. */
const MOST_FINDINGS = 256;
const MALFORMED_RECORDS_PER_SECOND = 100;

/** Words decisions for the evidence log. Floods of malformed input are counted, not written one by one. */
export class Recorder {
  readonly #o: RecorderOptions;
  #client: string | undefined;
  #protocol: string | undefined;
  #passed = 0;
  #flood = { second: 0, recorded: 0, counted: 0 };

  constructor(options: RecorderOptions) {
    this.#o = options;
  }

  /** Records a decision; returns its sequence. Arguments are masked here and encrypted by the log. */
  decision(
    call: LiveCall,
    message: Message,
    bytes: Uint8Array,
    tape: Scanner,
    decision: Decision,
    { limited = false, edited = false, bare = false }: Particulars = {},
  ): number {
    const node = bare ? -1 : argumentsOf(message);
    const masked = node < 0 ? undefined : maskArguments(tape, node, STORED_ARGUMENT_BYTES);
    const record: Mutable<DecisionRecord> = {
      type: 'decision',
      time: this.#o.now(),
      mono: this.#o.mono(),
      direction: call.direction,
      server: this.#o.server,
      method: recordable(call.method),
      transport: this.#o.transport,
      principal: this.#o.principal,
      policy: this.#o.policy().hash,
      rule: decision.rule,
      effect: limited ? 'deny' : decision.effect,
    };
    if (call.tool !== undefined) record.tool = recordable(call.tool);
    const target = call.uri ?? call.prompt;
    if (target !== undefined) record.target = recordable(target);
    if (message.id !== undefined) record.rpcId = recordable(String(message.id));
    const protocol = message.protocolVersion ?? this.#protocol;
    if (protocol !== undefined) record.protocol = recordable(protocol);
    if (this.#client !== undefined) record.client = this.#client;
    if (limited) record.reason = 'The limit of a rule is spent.';
    else if (decision.effect !== 'allow' && decision.reason !== '')
      record.reason = recordable(decision.reason, STORED_REASON_LENGTH);
    if (decision.indeterminate !== undefined)
      record.indeterminate = recordable(decision.indeterminate, STORED_REASON_LENGTH);
    if (decision.obligations.length > 0) {
      const named = decision.obligations.map((o) => `${o.kind}:${o.rule}`);
      // Several bounds or windows of one rule are one word.
      record.obligations = [...new Set(edited ? [...named, 'edited:args'] : named)];
    }
    if (decision.shadow !== undefined) {
      const told = decision.shadow.map(({ effect, rule }) => recordable(`shadow-${effect}:${rule}`));
      record.obligations = [...(record.obligations ?? []), ...told];
    }
    if (call.labels !== undefined && call.labels.length > 0) record.labels = call.labels;
    if (masked !== undefined) {
      record.args = masked.bytes;
      if (masked.truncated > 0) record.argsTruncated = masked.truncated;
      if (masked.findings.length > 0) {
        record.findings = masked.findings.slice(0, MOST_FINDINGS).map((f) => ({
          rule: f.ruleId,
          class: f.class,
          pointer: recordable(f.pointer),
          start: f.start,
          end: f.end,
          confidence: f.confidence,
        }));
      }
    }
    return this.#o.evidence.append(record);
  }

  /** Records bytes that never became a call, at most so many a second; the rest is counted. */
  malformed(from: 'client' | 'server', reason: string, message: string): void {
    const now = this.#o.now();
    const second = Math.floor(now / 1000);
    if (second !== this.#flood.second) this.#writeFlood(second);
    if (this.#flood.recorded >= MALFORMED_RECORDS_PER_SECOND) {
      this.#flood.counted++;
      return;
    }
    this.#flood.recorded++;
    this.#o.evidence.append({
      type: 'decision',
      time: now,
      mono: this.#o.mono(),
      direction: from === 'client' ? 'call' : 'result',
      server: this.#o.server,
      method: '(malformed)',
      transport: this.#o.transport,
      principal: this.#o.principal,
      policy: this.#o.policy().hash,
      rule: `protocol:${reason}`,
      effect: 'deny',
      reason: recordable(message, STORED_REASON_LENGTH),
      ...(this.#client === undefined ? {} : { client: this.#client }),
    });
  }

  /** An allowed notification that needs no record of its own. */
  passed(): void {
    this.#passed++;
  }

  /** The name the client gives itself in `initialize`: a label in the record, never an identity. */
  introduce(tape: Scanner, params: number): void {
    if (params < 0) return;
    const info = member(tape, params, 'clientInfo');
    const name = info < 0 ? -1 : member(tape, info, 'name');
    if (name >= 0 && tape.kinds[name] === STRING) this.#client = recordable(stringAt(tape, name));
  }

  /** The protocol revision that client and server agreed on. */
  agreed(tape: Scanner, result: number): void {
    const version = result < 0 ? -1 : member(tape, result, 'protocolVersion');
    if (version >= 0 && tape.kinds[version] === STRING) this.#protocol = recordable(stringAt(tape, version));
  }

  /** Writes what was only counted. */
  close(): void {
    this.#writeFlood(0);
    this.#o.evidence.append({
      type: 'session',
      time: this.#o.now(),
      mono: this.#o.mono(),
      detail: { event: 'end', server: this.#o.server, notifications: this.#passed },
    });
  }

  #writeFlood(second: number): void {
    const { counted } = this.#flood;
    this.#flood = { second, recorded: 0, counted: 0 };
    if (counted === 0) return;
    const detail = { what: 'malformed', server: this.#o.server, count: counted };
    this.#o.evidence.append({ type: 'flood', time: this.#o.now(), mono: this.#o.mono(), detail });
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function argumentsOf(message: Message): number {
  if (message.args >= 0) return message.args;
  if (message.params >= 0) return message.params;
  return message.kind === 'result' ? message.result : -1;
}
