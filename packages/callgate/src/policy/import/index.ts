import { compilePolicy, type PolicySource } from '../compile.ts';
import { type Issue, PolicyError } from '../document/issue.ts';
import { importAgentgate } from './agentgate.ts';
import { importAgentgateApi } from './agentgate-api.ts';
import { importCedar } from './cedar.ts';
import { importClaudeCode } from './claude-code.ts';
import { emitPolicy, type Emitted, type Imported, type ImportedServer } from './emit.ts';
import { importMcpGate } from './mcp-gate.ts';
import { importMcpguard } from './mcpguard.ts';
import { importOpengate } from './opengate.ts';
import { type Counts, countFates, type Draft, openDraft, type Remark } from './report.ts';

export type { ImportedServer } from './emit.ts';
export type { Counts, Fate, Remark } from './report.ts';

/** What an import may be told and given. */
export interface ImportOptions {
  /** `agentgate`: file order as its README says, or rules that name a tool first, as it is built. Default readme. */
  readonly order?: 'readme' | 'as-built' | undefined;
  /** Text of another file that a source names, relative to the file that names it; undefined when there is none. */
  read?(file: string, from: string): PolicySource | undefined;
}

/** Turns the files of one source into rules, or reports why not to the draft. */
export type Importer = (
  sources: readonly PolicySource[],
  draft: Draft,
  options: ImportOptions,
) => Imported | undefined | Promise<Imported | undefined>;

/** A new source is a file and a line here. */
const IMPORTERS = {
  opengate: { origin: 'OpenGate', run: importOpengate },
  agentgate: { origin: 'AgentGate (TOML)', run: importAgentgate },
  'agentgate-api': { origin: 'AgentGate (API proxy, YAML)', run: importAgentgateApi },
  'mcp-gate': { origin: 'mcp-gate', run: importMcpGate },
  mcpguard: { origin: 'MCPGuard', run: importMcpguard },
  'claude-code': { origin: "Claude Code's permissions", run: importClaudeCode },
  cedar: { origin: 'Cedar', run: importCedar },
} as const satisfies Record<string, { origin: string; run: Importer }>;

export type ImportSource = keyof typeof IMPORTERS;

/** Every source that can be imported. */
export const IMPORT_SOURCES = Object.keys(IMPORTERS) as readonly ImportSource[];

/** A policy in Callgate's language, and what became of each part of its source. */
export interface ImportResult {
  readonly text: string;
  readonly remarks: readonly Remark[];
  readonly counts: Counts;
  readonly rules: number;
  /** The server that the source starts itself, for a config. */
  readonly server?: ImportedServer | undefined;
}

/**
 * Imports policy files of another gate. The result loads; what it lets pass, the source lets pass, or it is `ask` where the
 * report says so.
 * @throws PolicyError with everything that is wrong with the source; then nothing is imported
 */
export async function importPolicy(
  from: ImportSource,
  sources: readonly PolicySource[],
  options: ImportOptions = {},
): Promise<ImportResult> {
  const draft = openDraft();
  const { origin, run } = IMPORTERS[from] as { origin: string; run: Importer };
  const policy = await run(sources, draft, options);
  if (draft.issues.length > 0 || policy === undefined) throw new PolicyError(draft.issues);
  const { text, rules } = loadable(policy, origin, draft);
  return { text, remarks: draft.remarks, counts: countFates(draft.remarks), rules, server: policy.server };
}

/** Writes the policy and loads it; rules that are never reached, here as in the source, are left out. */
function loadable(policy: Imported, origin: string, draft: Draft): { readonly text: string; readonly rules: number } {
  const left = new Map<number, string>();
  for (;;) {
    const emitted = emitPolicy(policy, origin, left);
    const issues = issuesOf(emitted.text);
    if (issues.length === 0) return { text: emitted.text, rules: policy.rules.length - left.size };
    const unreached = issues.filter((issue) => issue.code === 'CG_POLICY_UNREACHABLE');
    const before = left.size;
    for (const issue of unreached) {
      const index = ruleAt(emitted, issue.line, left);
      const rule = policy.rules[index];
      if (rule === undefined) continue;
      left.set(index, 'a rule before it decides on everything it matches');
      draft.say(
        'same',
        rule.from,
        `rule ${rule.id}`,
        'left out: a rule before it decides on everything it matches',
        rule.id,
      );
    }
    if (left.size === before || unreached.length < issues.length) {
      throw new PolicyError(issues.map((issue) => traced(issue, policy, emitted, left)));
    }
  }
}

function issuesOf(text: string): readonly Issue[] {
  const variables = { PROJECT: '/project', HOME: '/home/user' };
  try {
    compilePolicy([{ file: 'imported.yaml', text }], { variables, sha256: () => '' });
    return [];
  } catch (error) {
    if (error instanceof PolicyError) return error.issues;
    throw error;
  }
}

/** What Callgate itself says against a rule, at the place in the source. */
function traced(issue: Issue, policy: Imported, emitted: Emitted, left: ReadonlyMap<number, string>): Issue {
  const rule = policy.rules[ruleAt(emitted, issue.line, left)];
  const place = rule?.from ?? { file: issue.file, line: issue.line, column: issue.column };
  const message = `${rule === undefined ? 'the policy' : `rule ${rule.id}`} cannot be carried: ${issue.message}`;
  return {
    code: 'CG_POLICY_IMPORT_VALUE',
    message,
    ...place,
    place,
    ...(issue.remedy === undefined ? {} : { remedy: issue.remedy }),
  };
}

function ruleAt(emitted: Emitted, line: number, left: ReadonlyMap<number, string>): number {
  return emitted.lines.findLastIndex((start, index) => start <= line && !left.has(index));
}
