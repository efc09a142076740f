import { quotePattern } from './regex.ts';
import { celPattern, celText } from './write.ts';

/** What ends a command, or starts another one inside it. */
const CHAINS = ';&|<>()$`\\n\\r';

/**
 * The condition of `Bash(...)` on the command. To allow, the whole line must be one plain command; to deny or ask, any command
 * of the line will do.
 */
export function bashCondition(specifier: string, permissive: boolean): string {
  const pattern = specifier.endsWith(':*') ? `${specifier.slice(0, -2)} *` : specifier;
  const isOpen = pattern.endsWith(' *');
  const body = isOpen ? pattern.slice(0, -2) : pattern;
  if (permissive) {
    if (!pattern.includes('*')) return `args.command == ${celText(pattern)}`;
    const any = `[^${CHAINS}]*`;
    const text = body.split('*').map(quotePattern).join(any);
    return `args.command.matches(${celPattern(`^${text}${isOpen ? `(?: ${any})?` : ''}$`)})`;
  }
  const text = body
    .split('*')
    .map((part) => part.split(/\s+/).map(quotePattern).join('\\s+'))
    .join('.*');
  const start = '(?:^|[;&|(){}`\\n])\\s*(?:[A-Za-z_][A-Za-z0-9_]*=\\S*\\s+)*';
  const end = isOpen ? '(?:$|[\\s;&|)<>])' : '\\s*(?:$|[;&|)<>`\\n])';
  return `args.command.matches(${celPattern(`${start}${text}${end}`)})`;
}

/** What a path rule comes to: roots for `under`, or a condition on the path as written. */
export interface PathTest {
  readonly roots?: readonly string[];
  readonly when?: string;
  readonly why: string;
}

/**
 * The meaning of a path pattern: `//abs`, `~/home`, `/from the settings`, `./from the directory`, and as in .gitignore a bare
 * name anywhere. To allow, only whole directories and files can be carried; undefined for the rest.
 */
export function pathCondition(specifier: string, field: string, permissive: boolean): PathTest | undefined {
  const { base, rest, isAnywhere } = anchor(specifier);
  const inner = rest.replace(/\/\*\*(?:\/\*)?$/, '').replace(/\/$/, '');
  const isWhole = inner === '**' || inner === '*' || inner === '';
  const path = isWhole ? '' : inner;
  const isPlain = !/[*?[\]\\!{}$]/.test(path);
  if (isPlain && (!isAnywhere || permissive) && !(permissive && rest.endsWith('/*') && !rest.endsWith('**/*'))) {
    const root = path === '' ? base : `${base}/${path}`;
    return { roots: [root === '' ? '/' : root], why: 'this path and what lies below, links followed' };
  }
  if (permissive) return undefined;
  const pattern = `(?:^|/)${gitGlob(path === '' ? '*' : path)}(?:/|$)`;
  return {
    when: `args.${field}.matches(${celPattern(pattern)})`,
    why: 'looked for anywhere in the path as it is written',
  };
}

function anchor(specifier: string): { readonly base: string; readonly rest: string; readonly isAnywhere: boolean } {
  if (specifier.startsWith('//')) return { base: '', rest: specifier.slice(2), isAnywhere: false };
  if (specifier === '~') return { base: '${HOME}', rest: '', isAnywhere: false };
  if (specifier.startsWith('~/')) return { base: '${HOME}', rest: specifier.slice(2), isAnywhere: false };
  const isBare = !specifier.startsWith('./') && !specifier.replace(/\/$/, '').includes('/');
  return { base: '${PROJECT}', rest: specifier.replace(/^(?:\.\/|\/)/, ''), isAnywhere: isBare };
}

/** A pattern of .gitignore; classes are taken as any one character, which only ever matches more. */
function gitGlob(glob: string): string {
  return glob
    .replace(/^(?:\*\*\/)+/, '')
    .split(/(\*\*\/|\*\*|\*|\?|\[[^\]]*\])/)
    .map((part) => {
      if (part === '**/') return '(?:.*/)?';
      if (part === '**') return '.*';
      if (part === '*') return '[^/]*';
      return part === '?' || /^\[[^\]]*\]$/.test(part) ? '[^/]' : quotePattern(part);
    })
    .join('');
}
