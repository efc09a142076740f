import type { Call } from '../model/call.ts';
import type { Json } from '../model/json.ts';
import { encodeUtf8 } from '../protocol/text.ts';
import { type CompiledPolicy, compilePolicy, type CompileOptions } from './compile.ts';
import { type Issue, PolicyError } from './document/issue.ts';
import type { Recorded } from './tools/replay.ts';

/** Options for tests: a home, a project, and a digest that is only as long as its text. */
export const OPTIONS: CompileOptions = {
  variables: { PROJECT: '/project', HOME: '/home/user', 'env.TEAM': 'blue' },
  sha256: (text) =>
    text
      .split('')
      .reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0, 7)
      .toString(16),
};

/** Compiles rules written as YAML list items. */
export function policyOf(rules: string, head = 'version: 1'): CompiledPolicy {
  return compilePolicy([{ file: 'policy.yaml', text: `${head}\nrules:\n${rules}` }], OPTIONS);
}

/** Every issue of a text. */
export function issuesOf(text: string, options: CompileOptions = OPTIONS): readonly Issue[] {
  try {
    compilePolicy([{ file: 'policy.yaml', text }], options);
    return [];
  } catch (error) {
    if (error instanceof PolicyError) return error.issues;
    throw error;
  }
}

export interface CallParts extends Partial<Omit<Call, 'args' | 'realPath'>> {
  readonly args?: Json | undefined;
  readonly roles?: readonly string[];
  /** Real paths, where they differ from the plain path; null for "cannot be told". */
  readonly links?: Readonly<Record<string, string | null>>;
}

/** A call of the tool `run` on the server `s`, unless parts say otherwise. */
export function callOf(parts: CallParts = {}): Call {
  const { args, roles = [], links = {}, ...over } = parts;
  const isTool = over.method === undefined || over.method === 'tools/call';
  return {
    direction: 'call',
    server: 's',
    method: 'tools/call',
    ...(isTool ? { tool: 'run' } : {}),
    principal: { id: 'agent', roles, chain: [], assurance: 'same-user' },
    ...over,
    args: () => args,
    realPath: (path) => {
      const real = Object.hasOwn(links, path)
        ? links[path]
        : path.startsWith('/')
          ? dotless(path)
          : dotless(`/project/${path}`);
      return real ?? undefined;
    },
  };
}

export interface RecordedParts extends Partial<Omit<Recorded, 'args'>> {
  /** As they are recorded: a text is taken as it is written. */
  readonly args?: Json | undefined;
}

let recorded = 0;

/** A recorded call of the tool `run` on the server `s` that was allowed and ended well, unless parts say otherwise. */
export function recordOf({ args = {}, ...over }: RecordedParts = {}): Recorded {
  const index = recorded++;
  return {
    index,
    id: `aaaaaaaaaa-${index}`,
    session: 'aaaaaaaaaa',
    time: Date.parse('2026-03-01T10:00:00Z'),
    mono: 0,
    direction: 'call',
    server: 's',
    method: 'tools/call',
    tool: 'run',
    principal: { id: 'me', roles: [], chain: [], assurance: 'same-user' },
    labels: [],
    findings: [],
    args: encodeUtf8(typeof args === 'string' ? args : JSON.stringify(args)),
    truncated: 0,
    obligations: [],
    effect: 'allow',
    rule: 'all',
    reason: undefined,
    status: 'ok',
    ...over,
  };
}

function dotless(path: string): string {
  const out: string[] = [];
  for (const segment of path.split('/')) {
    if (segment === '..') out.pop();
    else if (segment !== '' && segment !== '.') out.push(segment);
  }
  return `/${out.join('/')}`;
}
