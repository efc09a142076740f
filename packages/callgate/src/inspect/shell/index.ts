export { judgeShell, SHELL_CLASSES, type ShellClass, type ShellEvidence, type ShellFacts } from './judge.ts';
export { readShell } from './read.ts';
export type { ShellAssignment, ShellCommand, ShellReading, ShellRedirect } from './reading.ts';
export type { ParsedShell, ParseShell } from './tree.ts';
export type { ShellWord } from './variables.ts';
