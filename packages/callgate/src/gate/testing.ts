import type { DecisionRecord, EvidenceRecord } from '../model/record.ts';
import { compilePolicy } from '../policy/compile.ts';
import { memoryBudgets } from '../state/budgets.ts';
import { memoryLimits } from '../state/limits.ts';
import { memorySessions } from '../state/sessions.ts';
import { pathResolver } from './facts.ts';
import { Judge, type JudgeOptions } from './judge.ts';

export interface Answer {
  readonly id?: unknown;
  readonly result?: { readonly isError?: boolean; readonly content?: readonly { readonly text?: string }[] };
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown };
}

/** What a judge over rules (YAML list items) needs, with books in memory; and how to read, break and wind them. */
export function judgingOf(rules: string) {
  const records: EvidenceRecord[] = [];
  const said: { warned: string[]; told: string[] } = { warned: [], told: [] };
  /** What the evidence throws when it is set. */
  const broken: { append?: Error; flush?: Error } = {};
  const clock = { now: Date.UTC(2026, 10, 21, 23, 30), mono: 0 };
  const text = `version: 1\nrules:\n${rules}\n`;
  const policy = compilePolicy([{ file: 'policy.yaml', text }], { variables: {}, sha256: () => '0' });
  const budgets = memoryBudgets();
  const limits = memoryLimits();
  const sessions = memorySessions();
  const options: Omit<JudgeOptions, 'toServer' | 'toClient'> = {
    server: 'fx',
    principal: { id: 'os:me', roles: [], chain: [], assurance: 'same-user' },
    transport: 'stdio',
    policy: () => policy,
    evidence: {
      append(record: EvidenceRecord) {
        if (broken.append !== undefined) throw broken.append;
        return records.push(record) - 1;
      },
      flush() {
        if (broken.flush !== undefined) throw broken.flush;
      },
      synced: async () => undefined,
      idOf: (n) => `p-${n}`,
      close: async () => undefined,
    },
    limits: () => limits,
    budgets: () => budgets,
    sessions: () => sessions,
    floor: { mayTouch: () => false, judge: () => undefined },
    paths: pathResolver('/'),
    userHome: undefined,
    trustAnnotations: true,
    refusal: 'result',
    messageLimits: { depth: 128, keys: 1000 },
    inFlight: 10_000,
    pass: { unjudged: false, unrecorded: false },
    now: () => clock.now,
    mono: () => clock.mono,
    warn: (message) => void said.warned.push(message),
    info: (message) => void said.told.push(message),
  };
  return { options, records, broken, clock, budgets, ...said };
}

/** A judge over rules (YAML list items) with books in memory, and a client and a server to speak as. */
export function judgeOf(rules: string, over: Partial<JudgeOptions> = {}) {
  const { options, records, broken, clock, budgets, warned, told } = judgingOf(rules);
  const sent: { toServer: string[]; toClient: string[] } = { toServer: [], toClient: [] };
  const box = (lines: string[]) => ({
    line: (bytes: Uint8Array, start: number, end: number) =>
      void lines.push(Buffer.from(bytes.subarray(start, end)).toString()),
    whole: (line: Uint8Array) => void lines.push(Buffer.from(line).toString()),
  });
  const judge = new Judge({ ...options, toServer: box(sent.toServer), toClient: box(sent.toClient), ...over });
  const raw = (from: 'client' | 'server', line: string): void => {
    const bytes = Buffer.from(line);
    judge.line(from, bytes, 0, bytes.length);
  };
  const send = (from: 'client' | 'server', message: object): void =>
    raw(from, JSON.stringify({ jsonrpc: '2.0', ...message }));
  let id = 0;
  return {
    judge,
    ...sent,
    warned,
    told,
    records,
    broken,
    clock,
    budgets,
    raw,
    send,
    /** Makes a call; its id. */
    call: (name: string, args: object = {}, more: object = {}): number => {
      send('client', { id: ++id, method: 'tools/call', params: { name, arguments: args, ...more } });
      return id;
    },
    answer: (to: number, result: object = { content: [] }): void => send('server', { id: to, result }),
    /** What the client was last told. */
    get last(): Answer {
      return JSON.parse(sent.toClient.at(-1) ?? '{}') as Answer;
    },
    /** The text of the refusal the client was last given; undefined when it was none. */
    get refusal(): string | undefined {
      const { result, error } = this.last;
      return result?.isError === true ? result.content?.[0]?.text : error?.message;
    },
    get decisions(): readonly DecisionRecord[] {
      return records.filter((record) => record.type === 'decision');
    },
  };
}
