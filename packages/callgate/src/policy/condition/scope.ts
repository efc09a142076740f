import { messageOf } from '../../model/error.ts';
import { type ArgumentLookup, type Arguments, openArguments } from './argument.ts';
import type { Call } from '../../model/call.ts';
import type { Effect } from '../../model/decision.ts';
import type { Principal } from '../../model/principal.ts';
import { compileGlob, type Glob } from './glob.ts';
import type { Pattern } from './pattern.ts';
import type { FieldPath } from './field.ts';
import { openReaders, type Readers } from './readers.ts';
import type { Root } from './under.ts';

/** Longest text a pattern is run on (UTF-16 units). */
export const MAX_SCANNED = 1_048_576;

/** What a rule looks at beyond names and principal. */
export type Fact =
  | 'subject'
  | 'annotations'
  | 'time'
  | 'session'
  | 'labels'
  | 'findings'
  | 'history'
  | 'intent'
  | 'http'
  /** The shell parser, which is loaded for nothing else. */
  | 'shell'
  | 'sql';

/** What compiling a rule's conditions needs from outside, and what it finds out on the way. */
export interface Scope {
  /** Effect of the rule: it decides how arrays are walked. */
  readonly effect: Effect | undefined;
  /** Whether the arguments or the result is looked at. */
  readonly subject: 'args' | 'result' | 'none';
  /** The roles of a principal, with those that the policy gives it. */
  readonly rolesOf: (principal: Principal) => readonly string[];
  readonly home: string | undefined;
  /** A top-level field of the arguments. */
  readonly argument: (key: string) => ArgumentLookup;
  /** Puts `${NAME}` into a text; undefined (and an issue) when one is not set. */
  readonly expand: (text: string, report: Report) => string | undefined;
  readonly root: (text: string, report: Report) => Root | undefined;
  readonly pattern: (source: string, report: Report) => Pattern | undefined;
  readonly glob: (source: string, report: Report) => Glob | undefined;
  /** Readers of command lines and SQL. */
  readonly readers: Readers;
  /** Fields whose paths must be resolved before deciding. */
  readonly paths: FieldPath[];
  readonly uses: (fact: Fact) => void;
}

/** Adds an issue at the place being compiled; `offset` counts within its text. */
export type Report = (code: string, message: string, remedy?: string, offset?: number) => void;

/** Judges a call. */
export type Condition = (call: Call) => import('./truth.ts').Truth;

/** Shared by all rules of a policy: the same text is compiled once. */
export interface Texts {
  readonly arguments: Arguments;
  readonly readers: Readers;
  /** Ends a decision: what was remembered of a call is dropped. */
  readonly forget: () => void;
  readonly pattern: (source: string, report: Report) => Pattern | undefined;
  readonly glob: (source: string, report: Report) => Glob | undefined;
}

const PATTERN_REMEDY = 'patterns are RE2; what stands for itself is escaped: \\. \\( \\[ \\*';
const GLOB_REMEDY = 'a star or question mark that stands for itself is written \\* or \\?, a backslash \\\\';

/** Compiles patterns and globs once each, and says where they are wrong. */
export function openTexts(compilePattern: (source: string) => Pattern): Texts {
  const patterns = new Map<string, Pattern>();
  const globs = new Map<string, Glob>();
  const fields = openArguments();
  const readers = openReaders();
  return {
    arguments: fields,
    readers,
    forget() {
      fields.forget();
      readers.forget();
    },
    pattern: (source, report) =>
      remember(
        patterns,
        source,
        () => compilePattern(source),
        'CG_POLICY_REGEX',
        'the pattern does not load',
        PATTERN_REMEDY,
        report,
      ),
    glob: (source, report) =>
      remember(
        globs,
        source,
        () => compileGlob(source),
        'CG_POLICY_GLOB',
        'the glob does not load',
        GLOB_REMEDY,
        report,
      ),
  };
}

function remember<T>(
  known: Map<string, T>,
  source: string,
  compile: () => T,
  code: string,
  what: string,
  remedy: string,
  report: Report,
): T | undefined {
  const hit = known.get(source);
  if (hit !== undefined) return hit;
  if (source.includes('${')) {
    report(code, 'variables are not put into patterns', 'write the text out, or use startsWith, equals or under');
    return undefined;
  }
  try {
    const compiled = compile();
    known.set(source, compiled);
    return compiled;
  } catch (cause) {
    report(code, `${what}: ${messageOf(cause)}`, remedy);
    return undefined;
  }
}
