import type { ShellWord } from './variables.ts';

/** The `-c` text and the operands of a shell's arguments. */
export function shellArguments(words: readonly ShellWord[]): {
  script: ShellWord | undefined;
  operands: readonly ShellWord[];
} {
  let takesText = false;
  let reads = false;
  let at = 1;
  for (; at < words.length; at++) {
    const { text } = words[at]!;
    if (text === '--' || text === '-') {
      at++;
      break;
    }
    if (/^--(?:rcfile|init-file|command)$/.test(text)) {
      if (text === '--command') takesText = true;
      else at++;
    } else if (/^[-+]/.test(text)) {
      if (/^-[a-zA-Z]*c/.test(text)) takesText = true;
      if (/^-[a-zA-Z]*s/.test(text)) reads = true;
      if (/^[-+][a-zA-Z]*[oO]$/.test(text)) at++;
    } else break;
  }
  const operands = words.slice(at);
  if (takesText) return { script: operands[0], operands: operands.slice(1) };
  return { script: undefined, operands: reads ? [] : operands };
}
