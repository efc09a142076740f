import { type Document, isScalar, LineCounter, type Node } from 'yaml';
import { messageOf } from '../../model/error.ts';
import type { NodePath, PolicyDoc } from './document-types.ts';
import type { Part } from '../includes.ts';
import type { Issue } from './issue.ts';
import { type Reading, readNode } from './read-node.ts';
import { POLICY_SHAPE } from './schema.ts';
import { nestsDeeper, parseYaml } from './yaml.ts';
import { spokenError } from './yaml-errors.ts';

/** Largest policy text, in UTF-16 units, and how deep it may nest. */
export const MAX_POLICY_TEXT = 1_048_576;
const MAX_BRACKETS = 1_000;
const MAX_ISSUES = 200;

/** A policy text, read: what could be read of it, what is wrong with it, and where each part stands. */
export interface PolicyDocument {
  readonly file: string;
  /** Parts with issues are missing. */
  readonly policy: Partial<PolicyDoc>;
  readonly issues: readonly Issue[];
  /** Rules (by index) that have issues of their own. */
  readonly broken: ReadonlySet<number>;
  /** How the file is included by another one; undefined for one that was named itself. */
  readonly part?: Part;
  /** Of an included file: ids of rules that its child has for its own; those of this file do not count. */
  readonly replaced?: ReadonlySet<string | undefined>;
  /** Of an included file: whether it is named with its hash, all the way from the first file. */
  readonly isFixed?: boolean;
  /** Makes an issue at a node; `offset` counts from the start of its text, where the text has no escapes. */
  issueAt(path: NodePath, code: string, message: string, remedy?: string, offset?: number): Issue;
  /** Lets the syntax tree go: compiled rules stay, their text need not. Issues made later stand at the beginning. */
  release(): void;
}

/**
 * Reads one policy text (YAML 1.2 or JSON) and checks it against the language; reports everything that is wrong at once.
 * Never throws.
 */
export function readDocument(file: string, source: string): PolicyDocument {
  let text = source.startsWith('\uFEFF') ? source.slice(1) : source;
  const reading = openReading(file);
  let doc = parse(text, reading);
  let policy: Partial<PolicyDoc> = {};
  if (doc !== undefined) {
    const read = readNode(doc.contents, POLICY_SHAPE, [], reading);
    policy = read ?? {};
    checkVersion(policy, doc, reading);
  }
  return {
    file,
    policy,
    issues: reading.issues,
    broken: reading.broken,
    issueAt: (path, code, message, remedy, offset) =>
      placed(reading, startOf(doc, path, text, offset), code, message, remedy),
    release() {
      doc = undefined;
      text = '';
    },
  };
}

function openReading(file: string): Reading {
  const lines = new LineCounter();
  const issues: Issue[] = [];
  const broken = new Set<number>();
  const reading: Reading = {
    file,
    issues,
    broken,
    lines,
    report(node, path, code, message, remedy) {
      if (path[0] === 'rules' && typeof path[1] === 'number') broken.add(path[1]);
      if (issues.length >= MAX_ISSUES) return;
      const at = typeof node === 'number' ? node : (node?.range?.[0] ?? 0);
      issues.push(placed(reading, at, code, message, remedy));
    },
  };
  return reading;
}

function placed(reading: Reading, offset: number, code: string, message: string, remedy?: string): Issue {
  const { line, col } = reading.lines.linePos(offset);
  const place = { file: reading.file, line: Math.max(line, 1), column: Math.max(col, 1) };
  const base = { code, message, ...place, place };
  return remedy === undefined ? base : { ...base, remedy };
}

function parse(text: string, reading: Reading): Document.Parsed | undefined {
  if (text.length > MAX_POLICY_TEXT) {
    reading.report(
      0,
      [],
      'CG_POLICY_TOO_LARGE',
      `the file has ${text.length} characters; a policy may have ${MAX_POLICY_TEXT}`,
      'split it into several files',
    );
    return undefined;
  }
  if (text.trim() === '') {
    reading.report(
      0,
      [],
      'CG_POLICY_EMPTY',
      'the file is empty',
      'write `version: 1` and `rules:`; `callgate init` writes a starting point',
    );
    return undefined;
  }
  if (nestsDeeper(text, MAX_BRACKETS)) {
    reading.report(0, [], 'CG_POLICY_YAML', 'the file is nested too deeply to be a policy', 'close its brackets');
    return undefined;
  }
  try {
    // Duplicate keys are found in readMap: the library's own check takes quadratic time.
    const doc = parseYaml(text, reading.lines);
    for (const error of [...doc.errors, ...doc.warnings]) {
      const { message, remedy } = spokenError(error, text);
      reading.report(error.pos[0], [], 'CG_POLICY_YAML', message, remedy);
    }
    return doc;
  } catch (cause) {
    reading.report(0, [], 'CG_POLICY_YAML', `the file cannot be read as YAML: ${messageOf(cause)}`);
    return undefined;
  }
}

function checkVersion(policy: Partial<PolicyDoc>, doc: Document.Parsed, reading: Reading): void {
  if (policy.version === undefined || policy.version === 1) return;
  const node = doc.getIn(['version'], true) as Node | undefined;
  reading.report(
    node,
    [],
    'CG_POLICY_VERSION',
    `version ${String(policy.version)} of the policy language is not known`,
    'write `version: 1`',
  );
}

/** Offset of the node at `path` (or of its nearest parent), moved by `inner` where the text stands there unescaped. */
function startOf(doc: Document.Parsed | undefined, path: NodePath, text: string, inner?: number): number {
  if (doc === undefined) return 0;
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? doc.contents : (doc.getIn(path.slice(0, length), true) as Node | undefined);
    const range = node?.range;
    if (range === undefined || range === null) continue;
    if (inner === undefined || length < path.length || !isScalar(node) || typeof node.value !== 'string')
      return range[0];
    const quoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE' ? 1 : 0;
    const start = range[0] + quoted;
    return text.startsWith(node.value, start) ? start + Math.min(inner, node.value.length) : range[0];
  }
  return 0;
}
