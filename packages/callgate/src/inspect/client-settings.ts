/** Settings and hook files of agents' clients, as last segments of a path; `*` within a segment matches anything. */
const SETTINGS: readonly (readonly string[])[] = [
  '.claude.json',
  '.claude/settings*.json',
  '.claude/managed-settings*.json',
  'claude-code/managed-settings*.json',
  'claudecode/managed-settings*.json',
  '.claude/hooks/*',
  '.mcp.json',
  'claude_desktop_config.json',
  '.cursor/mcp.json',
  '.cursor/hooks.json',
  '.vscode/mcp.json',
  'code/user/mcp.json',
  'code/user/settings.json',
  '.codex/config.toml',
  '.codex/hooks.json',
  '.gemini/settings.json',
  '.qwen/settings.json',
  '.codeium/windsurf/mcp_config.json',
  '.codeium/mcp_config.json',
  'windsurf/hooks.json',
  '.zed/settings.json',
  'zed/settings.json',
  '.continue/config.json',
  '.continue/config.yaml',
  'cline_mcp_settings.json',
  '.roo/mcp.json',
  '.kiro/settings/mcp.json',
  '.amazonq/mcp.json',
  'amazonq/mcp.json',
  '.copilot/mcp-config.json',
  '.junie/mcp/mcp.json',
  '.lmstudio/mcp.json',
  '.config/goose/config.yaml',
  '.config/opencode/opencode.json',
  'opencode.json',
].map((path) => path.split('/'));

/** The patterns by their last segment, and those whose last segment has a wildcard. */
const BY_NAME = new Map<string, (readonly string[])[]>();
for (const tail of SETTINGS) BY_NAME.set(tail.at(-1)!, [...(BY_NAME.get(tail.at(-1)!) ?? []), tail]);
const WILD = SETTINGS.filter((tail) => tail.at(-1)!.includes('*'));

/** Whether a path (any case, `/` between segments) ends in a client's settings or hook file. */
export function isClientSettings(path: string): boolean {
  const folded = path.toLowerCase();
  const named = BY_NAME.get(folded.slice(folded.lastIndexOf('/') + 1)) ?? [];
  const segments = folded.split('/');
  const isTail = (tail: readonly string[]): boolean => {
    const from = segments.length - tail.length;
    return from >= 0 && tail.every((pattern, at) => matchesSegment(pattern, segments[from + at]!));
  };
  return named.some(isTail) || WILD.some(isTail);
}

/**
 * Matches one path segment against a shell pattern of `*`, `?` and `[...]`, in time pattern × text at most.
 * As in a shell, a leading `*` or `?` does not match a leading dot.
 */
export function matchesSegment(pattern: string, text: string): boolean {
  if (text.startsWith('.') && !pattern.startsWith('.')) return false;
  let at = 0;
  let in_ = 0;
  let star = -1;
  let mark = 0;
  while (in_ < text.length) {
    const unit = at < pattern.length ? unitAt(pattern, at) : undefined;
    if (unit?.text === '*') {
      star = at++;
      mark = in_;
    } else if (unit !== undefined && unit.matches(text[in_]!)) {
      at += unit.length;
      in_++;
    } else if (star >= 0) {
      at = star + 1;
      in_ = ++mark;
    } else return false;
  }
  while (pattern[at] === '*') at++;
  return at === pattern.length;
}

interface PatternUnit {
  readonly text: string;
  readonly length: number;
  matches(unit: string): boolean;
}

function unitAt(pattern: string, at: number): PatternUnit {
  const first = pattern[at]!;
  if (first === '?') return { text: first, length: 1, matches: () => true };
  const close = first === '[' ? pattern.indexOf(']', at + 2) : -1;
  if (close < 0) return { text: first, length: 1, matches: (unit) => unit === first };
  const set = pattern.slice(at + 1, close);
  return { text: '[', length: close - at + 1, matches: (unit) => inSet(set, unit) };
}

function inSet(set: string, unit: string): boolean {
  const negated = set.startsWith('!') || set.startsWith('^');
  const body = negated ? set.slice(1) : set;
  let found = false;
  for (let at = 0; at < body.length; at++) {
    if (body[at + 1] === '-' && at + 2 < body.length) {
      if (unit >= body[at]! && unit <= body[at + 2]!) found = true;
      at += 2;
    } else if (body[at] === unit) found = true;
  }
  return found !== negated;
}
