import { scanSecrets } from '../../../inspect/secrets.ts';
import { secretKind } from '../../../inspect/secret-names.ts';
import { readUrl } from '../../../inspect/urls/index.ts';
import type { Scalar } from './shape.ts';

/** How far the values of a field may be generalised. */
export type Kind = 'path' | 'host' | 'exact' | 'prose' | 'number';

const PROSE = words(
  'message content contents body text query question prompt description comment note summary title subject thought reasoning',
);
const PATHS = words('path paths file files filename filepath dir directory folder root cwd source destination src dst');
const HOSTS = words('host hosts hostname domain');
/** What says where something goes, who it is for, or what is run: a number or a text of these is never one of a range. */
const EXACT = words(
  'id ids uid gid pid port account accounts iban bic phone email mail to cc bcc from recipient recipients user users owner ' +
    'url uri href link endpoint address ip command commands cmd args argv script code sql statement shell exec program ' +
    'branch repo repository bucket channel table database mode method version key',
);

/** What a field is, by its name and everything seen in it. */
export function kindOf(path: readonly string[], values: readonly Scalar[]): Kind {
  const name = wordsOf(path.at(-1) ?? '');
  const isNamed = (known: ReadonlySet<string>): boolean => name.some((word) => known.has(word));
  if (!values.every((value) => typeof value === 'string')) {
    const isNumbers = values.every(
      (value) => typeof value !== 'string' && typeof value !== 'boolean' && value !== null,
    );
    return isNumbers && !isNamed(EXACT) ? 'number' : 'exact';
  }
  const texts = values;
  if (isNamed(HOSTS) && texts.every(isBareHost)) return 'host';
  if (texts.some((text) => isDestination(text) || isCommand(text))) return 'exact';
  if (texts.every((text) => looksLikePath(text) || (isNamed(PATHS) && text !== '' && !text.includes('\n'))))
    return 'path';
  // Not a path and named as more than prose: "query" of a table, "message id".
  return isNamed(PROSE) && !isNamed(EXACT) ? 'prose' : 'exact';
}

/** Whether a value looks like a secret, or stands where one does. */
export function isCredential(path: readonly string[], value: Scalar): boolean {
  if (typeof value !== 'string') return false;
  if (path.some((key) => secretKind(key) !== undefined)) return true;
  return scanSecrets(value).length > 0 || isRandom(value);
}

/** A long run of letters of both cases and digits, as keys and tokens are. */
function isRandom(text: string): boolean {
  for (const run of text.match(/[A-Za-z0-9_-]{24,}/g) ?? []) {
    if (/[0-9]/.test(run) && /[a-z]/.test(run) && /[A-Z]/.test(run) && new Set(run).size >= 14) return true;
  }
  return false;
}

/** A text that is, as a whole, a URL, a mail address, an account or a network address. */
function isDestination(text: string): boolean {
  const trimmed = text.trim();
  if (
    /^[A-Za-z][A-Za-z0-9+.-]*:\/\/|^(?:mailto|data|javascript|tel|sms|ssh|git):/i.test(trimmed) &&
    !/^file:/i.test(trimmed)
  )
    return true;
  if (/^[^\s@]+@[^\s@]+$/.test(trimmed) || isMailList(trimmed)) return true;
  if (/^[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{2,4}){3,8}$/.test(trimmed)) return true;
  return /^\/\/[^/]|^\[?[0-9a-f]*:[0-9a-f:]+\]?(?::[0-9]+)?$|^[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?::[0-9]+)?(?:\/|$)|^www\./i.test(
    trimmed,
  );
}

/** Mail addresses with hardly a word besides: `Ann <ann@x.example>`. */
function isMailList(text: string): boolean {
  const words = text.split(/[\s,;]+/);
  const addresses = words.filter((word) => /^<?[^@<>]+@[^@<>]+\.[a-z]{2,}>?$/i.test(word));
  return addresses.length > 0 && words.length - addresses.length <= 2 * addresses.length;
}

const SQL =
  /^\s*(?:select|insert|update|delete|drop|create|alter|truncate|with|merge|grant|revoke|call|exec|pragma|attach|copy|begin)\b/i;
const SHELL =
  /[|;&`]|\$\(|>\s*\S|^\s*(?:sudo|rm|curl|wget|bash|sh|zsh|python3?|node|npm|npx|git|chmod|chown|mv|cp|cat|ls|dd|nc|ssh|scp|docker|kubectl|eval|powershell|cmd)\s/;

/** SQL, or a shell's line: short texts that a program runs. */
function isCommand(text: string): boolean {
  if (SQL.test(text)) return true;
  return (
    text.length <= 1000 &&
    !text.includes('\n') &&
    /^\s*(?:[a-z0-9_./-]+\s)/.test(text) &&
    SHELL.test(text) &&
    !/[.!?]\s*$/.test(text)
  );
}

/** A name or address without scheme, port and path, which every program reads alike. */
function isBareHost(text: string): boolean {
  if (!/^[A-Za-z0-9.-]{1,253}$/.test(text) || !text.includes('.')) return false;
  const read = readUrl(text);
  return read.ambiguous === undefined && read.host === text.toLowerCase();
}

function looksLikePath(text: string): boolean {
  return /^(?:\/|~\/|\.\.?\/|file:\/\/\/)/i.test(text) && !text.includes('\n') && text.length <= 4096;
}

function words(text: string): ReadonlySet<string> {
  return new Set(text.split(' '));
}

function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
}
