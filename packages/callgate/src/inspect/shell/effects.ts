import { GIT_VALUED, hasOption, operandsOf, shown, subcommandOf, subcommandReadings, textsOf } from './arguments.ts';
import type { ShellCommand } from './reading.ts';

const RAISERS = new Set('sudo doas su pkexec gosu su-exec runas run0 nsenter chroot runuser'.split(' '));

/** Why a command runs with more rights than the user has, or gets around a sandbox. */
export function privilege(command: ShellCommand): string | undefined {
  const raiser =
    command.via.find((name) => RAISERS.has(name)) ?? (RAISERS.has(command.program ?? '') ? command.program : undefined);
  if (raiser !== undefined) return `runs through ${raiser}`;
  const texts = textsOf(command);
  const line = texts.join(' ');
  switch (command.program) {
    case 'docker':
    case 'podman':
    case 'nerdctl':
      return /--privileged|--cap-add|--pid[= ]host|--userns[= ]host|--security-opt|(?:-v|--volume|src=|source=)[= ]?\/(?::|,|\s|etc|root|var\/run\/docker)|docker\.sock/.test(
        line,
      )
        ? 'a container with rights on the host'
        : undefined;
    case 'mount':
    case 'umount':
    case 'insmod':
    case 'modprobe':
    case 'setcap':
    case 'visudo':
    case 'unshare':
    case 'capsh':
      return texts.length === 0 ? undefined : 'needs rights of the administrator';
    case 'chmod':
      return texts.some((text) => /^(?:[ugoa]*[+=][rwx]*s|[4-7][0-7]{3})$/.test(text))
        ? 'sets the set-user-id bit'
        : undefined;
    case 'start-process':
      return /-verb\s+runas/i.test(line) ? 'runs as administrator' : undefined;
    default:
      return /docker\.sock/.test(line) ? 'uses the socket of the container engine' : undefined;
  }
}

const WRITERS = new Set(
  (
    'rm rmdir unlink mv cp ln link install tee touch mkdir mknod mkfifo truncate shred chmod chown chgrp setfacl chattr setfattr xattr patch split csplit sponge rsync scp sftp ' +
    'tar unzip zip gunzip gzip bzip2 xz 7z cpio make cmake ninja useradd usermod userdel adduser passwd crontab apt apt-get yum dnf apk pacman brew snap pip pip3 gem cargo go composer ' +
    'dpkg rpm docker podman kubectl helm terraform ansible systemctl service kill pkill killall mount umount remove-item new-item set-content add-content out-file copy-item move-item ' +
    'rename-item clear-content del erase rd copy move ren xcopy robocopy reg schtasks ex rimraf'
  ).split(' '),
);
const GIT_WRITES = new Set(
  'add commit push pull fetch merge rebase reset checkout switch restore clean clone init stash tag branch rm mv cherry-pick revert apply am config submodule worktree gc prune filter-branch filter-repo update-ref update-index'.split(
    ' ',
  ),
);

/** Subcommands that change nothing. */
const ONLY_TELLS =
  /^(?:ps|images|logs|inspect|get|describe|list|status|version|info|show|ls|view|freeze|plan|validate|top|stats|history|search|template|is-active|is-enabled|config|explain|diff|cat|test|outdated|audit|help)$/;

/** Whether a command changes files or the state of the machine, as far as its name and redirections tell. */
export function writes(command: ShellCommand): string | undefined {
  const file = command.redirects.find(
    ({ op, word }) =>
      op.includes('>') &&
      !(/^(?:>&|<&)$/.test(op) && /^(?:\d+|-)-?$/.test(word.text)) &&
      !/^\/dev\/(?:null|stdout|stderr|tty|fd\/\d+)$/.test(word.text),
  );
  if (file !== undefined) return `writes ${shown(file.word.text)}`;
  const { program } = command;
  if (program === undefined) return undefined;
  const texts = textsOf(command);
  switch (program) {
    case 'git': {
      const { name, rest } = subcommandOf(texts, GIT_VALUED);
      if (
        (name === 'branch' ||
          name === 'tag' ||
          name === 'stash' ||
          name === 'config' ||
          name === 'worktree' ||
          name === 'submodule') &&
        isListing(name, rest)
      )
        return undefined;
      return GIT_WRITES.has(name) ? `git ${name}` : undefined;
    }
    case 'tar':
      return texts.some((text) => /^-?[a-zA-Z]*t/.test(text) && !text.startsWith('--')) || texts.includes('--list')
        ? undefined
        : program;
    case 'docker':
    case 'podman':
    case 'kubectl':
    case 'helm':
    case 'systemctl':
    case 'npm':
    case 'pip':
    case 'pip3':
    case 'terraform':
      return subcommandReadings(texts).every(([name = 'help']) => ONLY_TELLS.test(name)) ? undefined : program;
    case 'find':
    case 'gfind':
      return texts.some((text) => /^-(?:delete|fprint\S*|fls)$/.test(text)) ? 'find that writes' : undefined;
    case 'sed':
    case 'gsed':
    case 'perl':
      return texts.some((text) => /^(?:-[nErsz]*i|--in-place)/.test(text)) ? `${program} in place` : undefined;
    case 'dd':
      return texts.some((text) => text.startsWith('of=') && text !== 'of=/dev/null') ? 'dd' : undefined;
    case 'sort':
      return hasOption(texts, 'o', 'output') ? 'sort' : undefined;
    case 'curl':
    case 'wget':
      return program === 'wget'
        ? /(?:^|\n)(?:-qO-|-O-|-qO\n-|-O\n-|--spider)(?:\n|$)/.test(texts.join('\n'))
          ? undefined
          : 'wget'
        : hasOption(texts, 'oOJ', 'output', 'remote-name')
          ? 'curl'
          : undefined;
    default:
      return WRITERS.has(program) ? program : undefined;
  }
}

function isListing(name: string, rest: readonly string[]): boolean {
  if (name === 'config')
    return rest.some((text) => /^(?:--get\S*|--list|-l|get|list)$/.test(text)) || operandsOf(rest).length < 2;
  if (name === 'stash' || name === 'worktree' || name === 'submodule')
    return /^(?:list|show|status|summary)$/.test(rest[0] ?? '');
  return (
    operandsOf(rest).length === 0 ||
    rest.some((text) => /^(?:-l|--list|--contains|--merged|--no-merged|--show-current)$/.test(text))
  );
}
