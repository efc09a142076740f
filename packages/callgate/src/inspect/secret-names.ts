/** What a name says about its value: a `password` may be any text, a `token` looks random. */
export type SecretKind = 'password' | 'token';

/** Parts of names that a keyword pass looks for; whatever `secretKind` accepts holds one of them. */
export const NAME_KEYWORDS: readonly string[] = [
  'passw',
  'pwd',
  'passphrase',
  'secret',
  'token',
  'credential',
  'authorization',
  'cookie',
  ...['api', 'access', 'private', 'signing', 'encryption', 'account', 'auth', 'master', 'shared'].flatMap((word) =>
    ['', '_', '-', ' '].map((joint) => `${word}${joint}key`),
  ),
];

const PASSWORD_WORDS = new Set(['password', 'passwords', 'passwd', 'pwd', 'passphrase', 'passw']);
const TOKEN_WORDS = new Set([
  'secret',
  'secrets',
  'token',
  'credential',
  'credentials',
  'authorization',
  'cookie',
  'apikey',
  'apikeys',
  'accesskey',
  'privatekey',
  'secretkey',
  'signingkey',
  'encryptionkey',
  'accountkey',
  'authkey',
  'masterkey',
  'sharedkey',
]);
const TOKEN_ENDINGS = [
  'token',
  'secret',
  'apikey',
  'secretkey',
  'accesskey',
  'privatekey',
  'password',
  'passwd',
  'passphrase',
];
const KEY_PREFIXES = new Set([
  'api',
  'access',
  'private',
  'signing',
  'encryption',
  'account',
  'auth',
  'master',
  'shared',
]);
/** Words that, after the telling word, make the name speak about a secret instead of holding one. */
const ABOUT = new Set(
  (
    'id ids url uri file path name names type types length size len count max min limit expires expiry expiration ttl hint policy ' +
    'field fields regex pattern prompt label header endpoint version format usage budget index location class list manager provider ' +
    'store service arn ref reference mode env var variable required enabled strength lifetime timeout algorithm alg kind status ' +
    'address symbol price supply contract decimals standard issuer scope scopes page at in jar consent user users preferences'
  ).split(' '),
);
/** Words that, before it, make it public or a cursor. */
const HARMLESS_BEFORE = new Set(
  'public next page progress continuation sync cursor prev previous max min total num stop eos bos pad special no is has use'.split(
    ' ',
  ),
);

/**
 * Judges a member, variable or header name.
 * @returns what its value is, or undefined when the name does not promise a secret.
 */
export function secretKind(name: string): SecretKind | undefined {
  if (name.length > 128) return undefined;
  const words = wordsOf(name);
  for (let at = words.length - 1; at >= 0; at--) {
    const kind = kindOfWord(words, at);
    if (kind === undefined) continue;
    if (words.slice(at + 1).some((word) => ABOUT.has(word))) return undefined;
    if (words.slice(0, at).some((word) => HARMLESS_BEFORE.has(word))) return undefined;
    return kind;
  }
  return undefined;
}

function kindOfWord(words: readonly string[], at: number): SecretKind | undefined {
  const word = words[at]!;
  if (PASSWORD_WORDS.has(word)) return 'password';
  if (TOKEN_WORDS.has(word)) return 'token';
  if ((word === 'key' || word === 'keys') && at > 0 && KEY_PREFIXES.has(words[at - 1]!)) return 'token';
  const ending = TOKEN_ENDINGS.find((end) => word.length > end.length && word.endsWith(end));
  if (ending === undefined || HARMLESS_BEFORE.has(word.slice(0, -ending.length))) return undefined;
  return ending.startsWith('pass') ? 'password' : 'token';
}

/** `githubAPIToken`, `github_api-token`, `X-Api-Key` → lower-case words; trailing digits dropped. */
function wordsOf(name: string): string[] {
  const words: string[] = [];
  let word = '';
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at);
    if (!isAlphanumeric(code)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    if (word !== '' && isUpper(code) && startsWord(name, at)) {
      words.push(word);
      word = '';
    }
    word += name[at]!.toLowerCase();
  }
  if (word !== '') words.push(word);
  return words.map((each) => {
    let end = each.length;
    while (end > 1 && isDigit(each.charCodeAt(end - 1))) end--;
    return each.slice(0, end);
  });
}

/** An upper-case letter starts a word after a lower-case one, or before one (`APIToken`). */
function startsWord(name: string, at: number): boolean {
  const before = name.charCodeAt(at - 1);
  if (!isUpper(before)) return true;
  const after = name.charCodeAt(at + 1);
  return after >= 97 && after <= 122;
}

function isUpper(code: number): boolean {
  return code >= 65 && code <= 90;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isAlphanumeric(code: number): boolean {
  return isDigit(code) || isUpper(code) || (code >= 97 && code <= 122);
}
