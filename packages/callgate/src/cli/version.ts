/** The version of this program; a test holds it equal to package.json. */
export const VERSION = '0.1.0';

const FLOOR = [20, 19] as const;

/** What to tell someone whose Node is too old to run this program; undefined when it is new enough. */
export function nodeTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > FLOOR[0] || (major === FLOOR[0] && minor >= FLOOR[1])) return undefined;
  return [
    `callgate: Node ${version} is too old.`,
    `  why: Callgate needs Node ${FLOOR.join('.')} or newer. CG_NODE_TOO_OLD`,
    '  do:  install a newer Node from https://nodejs.org and run the command again.',
    '',
  ].join('\n');
}
