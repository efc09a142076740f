import { judgeShell, readShell, SHELL_CLASSES, type ShellClass, type ShellFacts } from './index.ts';
import { parseShell } from './parser.ts';

/** What is known of a command line, or of an argv. */
export const judge = (text: string | readonly string[]): ShellFacts => judgeShell(readShell(text, parseShell));

/** The classes that a command line falls into. */
export function claims(text: string | readonly string[]): ShellClass[] {
  const facts = judge(text);
  return SHELL_CLASSES.filter((name) => facts[name]);
}
