const SECRET_NAME =
  /(?:pass(?:word|wd|phrase)?|secret|token|api[-_]?key|private[-_]?key|credential|authorization|cookie|bearer)/i;
const SECRET_VALUE = /\b(?:sk|pk|ghp|gho|ghs|github_pat|glpat|xox[abposr]|AKIA|ASIA|eyJ)[-_A-Za-z0-9.]{12,}/g;
const URL_PASSWORD = /(\/\/[^\s/:@]{0,256}:)[^\s/@]{1,256}@/g;
const BEARER = /\b(Bearer|Basic)\s+[-._~+/A-Za-z0-9]{8,}=*/gi;
const ASSIGNED =
  /((?:password|passwd|passphrase|secret|token|api[-_]?key|access[-_]?key)["']?\s{0,4}[=:]\s{0,4}["']?)[^\s"',;&]{3,}/gi;

export const MASK = '***';

/** Whether a key of this name holds what must not be shown (`apiKey`, `Authorization`, `db_password`). */
export function isSecretName(name: string): boolean {
  return SECRET_NAME.test(name);
}

/** Takes out of a text what looks like a secret: assigned to a telling name, in a URL, behind Bearer, or by its prefix. */
export function maskText(text: string): string {
  return text
    .replace(URL_PASSWORD, `$1${MASK}@`)
    .replace(BEARER, `$1 ${MASK}`)
    .replace(ASSIGNED, `$1${MASK}`)
    .replace(SECRET_VALUE, MASK);
}

/** The arguments of a command, less what looks like a secret; the word behind a flag such as --token is masked as well. */
export function maskArguments(args: readonly string[]): readonly string[] {
  const isValue = (word: string, before: string | undefined) =>
    before?.startsWith('-') === true && !before.includes('=') && isSecretName(before) && !word.startsWith('${');
  return args.map((word, index) => (isValue(word, args[index - 1]) ? MASK : maskText(word)));
}
