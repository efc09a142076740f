// Holds the import order of the program and its bans: `node scripts/check-layers.mjs [DIR]`.
// Prints file:line:column for each breach and exits 1.
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'rolldown/utils';

/** Rooms from the top down. A room imports lower steps only; rooms on one step do not import each other. */
const STEPS = [
  ['cli'],
  ['admin', 'transports', 'daemon', 'clients', 'observe'],
  ['bridge'],
  ['gate'],
  ['approvals', 'notify'],
  ['identity', 'flow', 'evidence', 'upstreams', 'plugins'],
  ['state'],
  ['net', 'config'],
  ['policy'],
  ['inspect'],
  ['protocol'],
  ['model'],
];
const stepOf = new Map(STEPS.flatMap((rooms, step) => rooms.map((room) => [room, step])));
/** Judged in a browser too, so they may not touch Node. */
const PURE = new Set(['model', 'protocol', 'inspect', 'policy', 'flow']);

/**
 * Checks every source file below `dir` that is not a test.
 * @param {string} dir the `src` directory
 * @returns {string[]} one `file:line:column message` for each breach
 */
export function checkLayers(dir) {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  return files.flatMap((file) => checkFile(dir, file, readFileSync(file, 'utf8')));
}

function checkFile(dir, file, text) {
  const breaches = [];
  const room = roomOf(dir, file);
  const report = (offset, message) => {
    const before = text.slice(0, offset).split('\n');
    breaches.push(`${relative(process.cwd(), file)}:${before.length}:${before.at(-1).length + 1} ${message}`);
  };
  const { program, errors } = parseSync(file, text);
  for (const error of errors) report(error.labels?.[0]?.start ?? 0, `does not parse: ${error.message}`);
  if (room !== undefined && !stepOf.has(room)) report(0, `room ${room} has no step in scripts/check-layers.mjs`);
  walk(program, (node) => {
    const source = importedBy(node);
    if (source !== undefined) {
      const problem = importProblem(dir, file, room, source.value);
      if (problem !== undefined) report(source.start, problem);
    }
    const ban = banned(node, room);
    if (ban !== undefined) report(node.start, ban);
  });
  return breaches;
}

/** The room of a file: the first directory below src; undefined for a file in src itself. */
function roomOf(dir, file) {
  const parts = relative(dir, file).split(sep);
  return parts.length > 1 ? parts[0] : undefined;
}

function importedBy(node) {
  const statement = [
    'ImportDeclaration',
    'ExportNamedDeclaration',
    'ExportAllDeclaration',
    'ImportExpression',
  ].includes(node.type);
  const source = statement ? node.source : node.type === 'TSImportType' ? (node.source ?? node.argument) : undefined;
  return source?.type === 'Literal' ? source : source?.literal;
}

function importProblem(dir, file, room, specifier) {
  if (!specifier.startsWith('.')) {
    const isNode = specifier.startsWith('node:');
    return isNode && PURE.has(room) ? `${room} uses no Node API, but imports ${specifier}` : undefined;
  }
  const target = roomOf(dir, resolve(dirname(file), specifier));
  if (target === undefined || target === room || target === '..') return undefined;
  if (target === 'observe' && room !== 'cli') return `${room} imports observe, which only cli may (it is handed in)`;
  const [from, to] = [stepOf.get(room) ?? -1, stepOf.get(target)];
  if (to === undefined || room === undefined || to > from) return undefined;
  return to === from ? `${room} imports ${target}, a room on the same step` : `${room} imports upward from ${target}`;
}

function banned(node, room) {
  const called = node.type === 'CallExpression' || node.type === 'NewExpression' ? node.callee : undefined;
  const name =
    called?.type === 'Identifier'
      ? called.name
      : called?.type === 'MemberExpression' && called.object.name === 'globalThis'
        ? called.property.name
        : undefined;
  if (name === 'RegExp' && !isConstantText(node.arguments[0]))
    return 'RegExp from something that is not a literal: user patterns run on re2js';
  if (name === 'eval') return 'eval';
  if (name === 'Function') return 'Function(): code from text';
  if (
    node.type === 'MemberExpression' &&
    node.object.type === 'Identifier' &&
    node.object.name === 'console' &&
    room !== 'cli'
  ) {
    return 'console outside cli: stdout belongs to the protocol';
  }
  return undefined;
}

const isConstantText = (node) =>
  (node?.type === 'Literal' && (typeof node.value === 'string' || node.regex !== undefined)) ||
  (node?.type === 'TemplateLiteral' && node.expressions.length === 0);

function walk(node, visit) {
  if (node === null || typeof node !== 'object') return;
  if (Array.isArray(node)) return node.forEach((child) => walk(child, visit));
  if (typeof node.type === 'string') visit(node);
  for (const key of Object.keys(node)) if (key !== 'type') walk(node[key], visit);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const dir = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '../packages/callgate/src'));
  const breaches = checkLayers(dir);
  for (const breach of breaches) process.stderr.write(`${breach}\n`);
  process.exitCode = breaches.length > 0 ? 1 : 0;
}
