/** How a program that runs another one is called. */
export interface Wrapper {
  /** Short options that take a value. */
  readonly values?: string;
  /** Long options that take a value in the next word. */
  readonly longs?: readonly string[];
  /** Operands before the program. */
  readonly operands?: number;
  /** `NAME=value` may stand before the program. */
  readonly assigns?: boolean;
  /** Options whose presence means that nothing is run. */
  readonly asks?: readonly string[];
  readonly keeps?: boolean;
}

/** Programs that run the words behind their own options. */
export const WRAPPERS: ReadonlyMap<string, Wrapper> = new Map<string, Wrapper>([
  [
    'sudo',
    {
      values: 'ugpChrtTDRU',
      longs: [
        'user',
        'group',
        'prompt',
        'host',
        'chdir',
        'role',
        'type',
        'chroot',
        'close-from',
        'command-timeout',
        'other-user',
      ],
      assigns: true,
    },
  ],
  ['doas', { values: 'uCa', assigns: true }],
  ['pkexec', { longs: ['user'] }],
  ['gosu', { operands: 1 }],
  ['su-exec', { operands: 1 }],
  [
    'run0',
    {
      values: 'ugD',
      longs: ['user', 'group', 'unit', 'property', 'description', 'slice', 'nice', 'chdir', 'setenv', 'background'],
    },
  ],
  ['env', { values: 'uC', longs: ['unset', 'chdir'], assigns: true }],
  ['nohup', {}],
  ['setsid', {}],
  ['nice', { values: 'n', longs: ['adjustment'] }],
  ['ionice', { values: 'cnpPu', longs: ['class', 'classdata'] }],
  ['chrt', { values: 'TPD', operands: 1 }],
  ['taskset', { operands: 1 }],
  ['stdbuf', { values: 'ioe', longs: ['input', 'output', 'error'] }],
  ['time', { values: 'fo', longs: ['format', 'output'] }],
  ['timeout', { values: 'ks', longs: ['kill-after', 'signal'], operands: 1 }],
  ['gtimeout', { values: 'ks', longs: ['kill-after', 'signal'], operands: 1 }],
  ['command', { asks: ['-v', '-V'] }],
  ['builtin', {}],
  ['exec', { values: 'a' }],
  ['busybox', { asks: ['--list', '--help', '--install'] }],
  ['toybox', {}],
  ['chroot', { longs: ['userspec', 'groups'], operands: 1 }],
  ['unshare', { values: 'RSGw', longs: ['root', 'wd', 'setuid', 'setgid'] }],
  // The directories of `-r` and `-w` are glued to them, or absent.
  ['nsenter', { values: 'tSG', longs: ['target', 'setuid', 'setgid'] }],
  ['strace', { values: 'oepsuaEPIbXOS' }],
  ['ltrace', { values: 'oepsuanlx' }],
  ['catchsegv', {}],
  ['unbuffer', {}],
  ['rlwrap', { values: 'abcCDfgHlmMopPqsStwz' }],
  ['proxychains', { values: 'f' }],
  ['proxychains4', { values: 'f' }],
  ['torsocks', { values: 'aPui' }],
  ['torify', {}],
  ['caffeinate', { values: 'tw' }],
  [
    'systemd-run',
    {
      values: 'pMHE',
      longs: (
        'unit property slice setenv on-active on-boot on-startup on-unit-active on-unit-inactive on-calendar description ' +
        'uid gid nice working-directory service-type machine host timer-property path-property socket-property'
      ).split(' '),
    },
  ],
  ['systemd-inhibit', { longs: ['what', 'who', 'why', 'mode'] }],
  ['firejail', {}],
  ['entr', {}],
  ['valgrind', {}],
  ['setpriv', { longs: ['reuid', 'regid', 'groups', 'inh-caps', 'ambient-caps', 'bounding-set', 'securebits'] }],
  ['sshpass', { values: 'pfdP' }],
  ['fakeroot', { values: 'lsib' }],
  ['xvfb-run', { values: 'aefnps' }],
  ['dbus-run-session', {}],
  ['dumb-init', { values: 'r' }],
  ['tini', { values: 'pe' }],
  ['catatonit', {}],
  ['faketime', { values: 'fm', operands: 1 }],
  ['eatmydata', {}],
  ['chpst', { values: 'uUbe/nlLmdofpsrtc' }],
  ['setuidgid', { operands: 1 }],
  ['envdir', { operands: 1 }],
  ['winpty', {}],
  ['wine', {}],
  ['then', {}],
  [
    'xargs',
    {
      values: 'ILnPsdEaJRS',
      longs: ['arg-file', 'delimiter', 'max-args', 'max-procs', 'max-chars', 'process-slot-var'],
    },
  ],
  ['npx', { values: 'p', longs: ['package'], keeps: true }],
  ['bunx', { keeps: true }],
  ['uvx', { longs: ['from', 'with', 'python'], keeps: true }],
  ['pipx', { operands: 1, keeps: true }],
  ['adb', { keeps: true }],
]);

/** `PROGRAM SUBCOMMAND… command` */
export const RUNNERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['npm', ['exec', 'x']],
  ['pnpm', ['exec', 'dlx']],
  ['yarn', ['exec', 'dlx']],
  ['bun', ['x']],
  ['uv', ['run']],
  ['poetry', ['run']],
  ['pipenv', ['run']],
  ['pdm', ['run']],
  ['rye', ['run']],
  ['hatch', ['run']],
  ['conda', ['run']],
  ['mamba', ['run']],
  ['bundle', ['exec']],
  ['mise', ['exec', 'x']],
  ['asdf', ['exec']],
  ['cargo-watch', []],
]);
