import { codeOf, GIT_VALUED, hasOption, isBroadPath, operandsOf, subcommandOf, textsOf } from './arguments.ts';
import type { ShellCommand } from './reading.ts';

const DISK =
  /^\/dev\/(?:sd|hd|vd|xvd|nvme|mmcblk|disk|rdisk|mapper\/|md|dm-|loop|mem|kmem|port)|^\/proc\/sysrq-trigger$/;

/** Why a command destroys what is hard to get back; undefined when it does not. */
export function destruction(command: ShellCommand, commands: readonly ShellCommand[]): string | undefined {
  const onto = command.redirects.find(
    ({ op, target }) => op.includes('>') && target !== undefined && DISK.test(target),
  );
  if (onto !== undefined) return `writes over the device ${onto.target}`;
  const { program } = command;
  if (program === undefined) return undefined;
  if (isForkBomb(program, command, commands)) return 'a function that pipes into itself without end';
  return Object.hasOwn(PROGRAMS, program) ? PROGRAMS[program]!(textsOf(command), command) : byName(program);
}

type Judge = (texts: readonly string[], command: ShellCommand) => string | undefined;

const always =
  (why: string): Judge =>
  () =>
    why;

const rm: Judge = (texts, command) => {
  if (hasOption(texts, 'rR', 'recursive') || texts.some((text) => /^-rec/i.test(text))) return 'deletes recursively';
  const broad = operandsOf(texts).find((text) => isBroadPath(text));
  if (broad !== undefined) return `deletes ${broad}`;
  if (command.words.some((word, index) => index > 0 && word.glob)) return 'deletes whatever a pattern finds';
  const isFed = command.via.some((name) => /^(?:xargs|g?find|fd|fdfind|parallel)$/.test(name));
  if (isFed && texts.some((text) => text === '\0')) return 'deletes whatever is found';
  return texts.some((text) => text.startsWith('-') && text.includes('\0'))
    ? 'deletes with options nobody can know'
    : undefined;
};

const removeItem: Judge = (texts) => {
  if (texts.some((text) => /^[-\u2013](?:r|re|rec\w*)$/i.test(text)) || texts.some((text) => /^\/s$/i.test(text)))
    return 'deletes recursively';
  const broad = texts.find((text) => /(?:^|[\\/])\*(?:\.\*)?$/.test(text) || isBroadPath(text));
  return broad === undefined ? undefined : `deletes ${broad}`;
};

/** SQL handed to a client, on the line or as a here-document. */
const sqlClient: Judge = (_texts, command) =>
  /\b(?:drop\s{1,20}(?:table|database|schema|user|role|view|index|tablespace)|truncate\s{1,20}(?:table\s{1,20})?\w|delete\s{1,20}from\s{1,20}[\w."`]{1,200}\s{0,20}(?:;|$))/im.test(
    codeOf(command),
  )
    ? 'SQL that deletes'
    : undefined;

const fdisk: Judge = (texts) =>
  hasOption(texts, 'l', 'list') || operandsOf(texts).length === 0 ? undefined : 'changes a partition table';

const changeMode: Judge = (texts) => {
  const isRecursive = hasOption(texts, 'R', 'recursive');
  const broad = operandsOf(texts).find((text) => isBroadPath(text) && !/^(?:\.|\*|\.\/\*)\/?$/.test(text));
  return isRecursive && broad !== undefined ? `changes rights of everything under ${broad}` : undefined;
};

const stop: Judge = (texts) =>
  texts.some((text) => /^(?:-c|--help|-k|--version)$/.test(text)) ? undefined : 'stops the machine';

const kill: Judge = (texts) => (texts.includes('-1') && texts.indexOf('-1') > 0 ? 'kills every process' : undefined);

const git: Judge = (texts) => {
  const { name, rest } = subcommandOf(texts, GIT_VALUED);
  switch (name) {
    case 'push':
      if (
        hasOption(rest, 'f', 'force', 'force-with-lease', 'mirror', 'prune') ||
        rest.some((text) => /^\+./.test(text))
      )
        return 'rewrites a remote branch';
      return hasOption(rest, 'd', 'delete') || rest.some((text) => /^:./.test(text))
        ? 'deletes a remote branch'
        : undefined;
    case 'reset':
      return rest.some((text) => /^--h(?:a|ar|ard)?$/.test(text)) ? 'throws away uncommitted work' : undefined;
    case 'clean':
      return hasOption(rest, 'f', 'force') && !hasOption(rest, 'n', 'dry-run') ? 'deletes untracked files' : undefined;
    case 'filter-branch':
    case 'filter-repo':
      return 'rewrites history';
    case 'switch':
      return hasOption(rest, 'f', 'force', 'discard-changes') ? 'throws away uncommitted work' : undefined;
    case 'worktree':
      return rest[0] === 'remove' && hasOption(rest, 'f', 'force') ? 'throws away uncommitted work' : undefined;
    case 'checkout':
    case 'restore':
      return (rest.includes('.') && !rest.includes('--staged')) ||
        (name === 'checkout' && hasOption(rest, 'f', 'force'))
        ? 'throws away uncommitted work'
        : undefined;
    case 'branch':
      if (hasOption(rest, 'fMC', 'force') && !hasOption(rest, 'dD', 'delete')) return 'moves a branch by force';
      return rest.includes('-D') || (hasOption(rest, 'd', 'delete') && hasOption(rest, 'f', 'force'))
        ? 'deletes an unmerged branch'
        : undefined;
    case 'stash':
      return rest[0] === 'clear' || rest[0] === 'drop' ? 'throws away stashed work' : undefined;
    case 'reflog':
      return rest[0] === 'expire' || rest[0] === 'delete' ? 'removes the way back to old commits' : undefined;
    case 'update-ref':
      return hasOption(rest, 'd') ? 'deletes a reference' : undefined;
    case 'rm':
      return hasOption(rest, 'r') && !hasOption(rest, '', 'cached') ? 'deletes recursively' : undefined;
    default:
      return undefined;
  }
};

const container: Judge = (texts) => {
  const words = operandsOf(texts).slice(0, 3).join(' ');
  if (/^(?:system|volume|image|container|network|builder|buildx) prune\b/.test(words))
    return 'removes everything unused';
  if (/^volume (?:rm|remove)\b/.test(words)) return 'deletes a volume';
  if (/^(?:rm|rmi)\b/.test(words) && texts.some((text) => /\0/.test(text)) && hasOption(texts, 'f', 'force'))
    return 'removes containers or images by force';
  return /\bcompose down\b|^down\b/.test(words) && hasOption(texts, 'v', 'volumes') ? 'deletes volumes' : undefined;
};

const firstIs =
  (pattern: RegExp, why: string): Judge =>
  (texts) =>
    pattern.test(operandsOf(texts).slice(0, 4).join(' ')) ? why : undefined;

const interpreted: Judge = (texts, command) => {
  const documents = command.redirects.filter(({ op }) => op.startsWith('<<')).map(({ word }) => word.text);
  const code = [...texts.filter((text) => /[(\s;]/.test(text)), ...documents].join('\n');
  return /\brmtree\s*\(|\bremovedirs\s*\(|\bunlink\b|\brmdir\s*[(\s]|\bos\.remove\s*\(|\brm(?:Sync|dirSync)?\s*\(|\bunlinkSync\s*\(|FileUtils\.rm|remove_tree|\bFile\.delete/.test(
    code,
  )
    ? 'code that deletes files'
    : undefined;
};

const flushes: Judge = (texts) =>
  hasOption(texts, 'FX', 'flush', 'delete-chain') ? 'removes the rules of a firewall' : undefined;

const removesFiles: Judge = (texts) =>
  texts.some((text) => text.startsWith('--remove-f')) ? 'deletes what it has packed' : undefined;

const PROGRAMS: Readonly<Record<string, Judge>> = {
  rm,
  'git-rm': rm,
  grm: rm,
  rimraf: always('deletes recursively'),
  unlink: (texts) => (texts.some(isBroadPath) ? 'deletes a whole tree' : undefined),
  rmdir: (texts) => (texts.some((text) => /^\/s$/i.test(text)) ? 'deletes recursively' : undefined),
  rd: (texts) => (texts.some((text) => /^\/s$/i.test(text)) ? 'deletes recursively' : undefined),
  del: removeItem,
  erase: removeItem,
  ri: removeItem,
  'remove-item': removeItem,
  'clear-content': always('empties a file'),
  'clear-disk': always('wipes a disk'),
  'clear-recyclebin': always('deletes for good'),
  'format-volume': always('formats a volume'),
  'initialize-disk': always('wipes a disk'),
  'remove-partition': always('deletes a partition'),
  'stop-computer': always('stops the machine'),
  'restart-computer': always('stops the machine'),
  find: (texts) => (texts.includes('-delete') ? 'deletes what it finds' : undefined),
  gfind: (texts) => (texts.includes('-delete') ? 'deletes what it finds' : undefined),
  dd: (texts) => {
    const target = texts.find((text) => text.startsWith('of='))?.slice(3);
    if (target !== undefined && target !== '/dev/null' && texts.includes('if=/dev/null')) return 'empties a file';
    return target !== undefined && /^\/dev\/(?!null|zero|stdout|stderr|tty|fd\/|shm\/)/.test(target)
      ? `writes over ${target}`
      : undefined;
  },
  shred: always('overwrites files'),
  srm: always('overwrites files'),
  wipe: always('overwrites files'),
  wipefs: (texts) =>
    hasOption(texts, 'a', 'all') || texts.some((text) => /^-[ft]?o/.test(text)) ? 'wipes a file system' : undefined,
  blkdiscard: always('discards a device'),
  hdparm: (texts) => (texts.some((text) => text.startsWith('--security-erase')) ? 'erases a disk' : undefined),
  fdisk,
  sfdisk: (texts) => (hasOption(texts, 'ldJ', 'list', 'dump', 'json') ? undefined : 'changes a partition table'),
  cfdisk: fdisk,
  gdisk: fdisk,
  sgdisk: (texts) => (hasOption(texts, 'pi', 'print', 'info') ? undefined : 'changes a partition table'),
  parted: (texts) =>
    /\b(?:mklabel|mktable|mkpart|rm|resizepart|set|name|disk_set)\b/.test(texts.join(' '))
      ? 'changes a partition table'
      : undefined,
  diskutil: firstIs(/^(?:erase|partition|zero|secureerase|reformat|apfs delete)/i, 'erases a disk'),
  nvme: firstIs(/^(?:format|sanitize|write-zeroes|write-uncor|delete-ns|dsm|fw-activate)\b/, 'erases a disk'),
  mdadm: (texts) =>
    texts.some((text) => /^--(?:zero-s|create$)|^-C/.test(text)) ? 'overwrites parts of an array' : undefined,
  iptables: flushes,
  ip6tables: flushes,
  ebtables: flushes,
  arptables: flushes,
  nft: firstIs(/^(?:flush|delete|destroy)\b/, 'removes the rules of a firewall'),
  ipset: firstIs(/^(?:flush|destroy)\b/, 'removes the rules of a firewall'),
  install: (texts) => (operandsOf(texts)[0] === '/dev/null' ? 'empties a file' : undefined),
  tar: removesFiles,
  gtar: removesFiles,
  bsdtar: removesFiles,
  zip: (texts) => (texts.some((text) => /^-[a-zA-Z]*m|^--move/.test(text)) ? 'deletes what it has packed' : undefined),
  lvremove: always('deletes a volume'),
  vgremove: always('deletes a volume group'),
  pvremove: always('wipes a physical volume'),
  cryptsetup: firstIs(/^(?:erase|luksErase|luksFormat|luksKillSlot)/, 'erases an encrypted volume'),
  zpool: firstIs(/^(?:destroy|labelclear)/, 'destroys a pool'),
  zfs: firstIs(/^destroy/, 'destroys a dataset'),
  btrfs: firstIs(/^sub\w* del/, 'deletes a subvolume'),
  truncate: (texts) =>
    /(?:^|\n)(?:-s\n?|--size[=\n])\+?0[kKMGTB]*(?:\n|$)/.test(texts.join('\n')) ? 'empties files' : undefined,
  chmod: changeMode,
  chown: changeMode,
  chgrp: changeMode,
  setfacl: changeMode,
  shutdown: stop,
  reboot: stop,
  halt: stop,
  poweroff: stop,
  init: firstIs(/^[06]$/, 'stops the machine'),
  telinit: firstIs(/^[06]$/, 'stops the machine'),
  systemctl: firstIs(/^(?:poweroff|reboot|halt|kexec|emergency|rescue)\b/, 'stops the machine'),
  kill,
  killall5: always('kills every process'),
  crontab: (texts) => (hasOption(texts, 'r') ? 'deletes the crontab' : undefined),
  userdel: always('deletes a user'),
  deluser: always('deletes a user'),
  mv: (texts) => {
    const operands = operandsOf(texts);
    if (operands.at(-1) === '/dev/null') return 'throws files away';
    return operands
      .slice(0, -1)
      .some((text) => isBroadPath(text) && !/^(?:\*|\.\/\*|\.\*|\.\.?\/?|\.\.\/\*)$/.test(text))
      ? 'moves a whole tree away'
      : undefined;
  },
  cp: (texts) => {
    const [first, last] = [operandsOf(texts)[0], operandsOf(texts).at(-1)];
    if (first === '/dev/null' && last !== first) return 'empties a file';
    return last !== undefined && DISK.test(last) && first !== last ? `writes over ${last}` : undefined;
  },
  tee: (texts) => (texts.some((text) => DISK.test(text)) ? 'writes over a device' : undefined),
  rsync: (texts) =>
    texts.some((text) => /^--(?:del|delete\S*|remove-source-files)$/.test(text))
      ? 'deletes what the source lacks'
      : undefined,
  rclone: firstIs(/^(?:purge|delete|deletefile|sync|rmdirs|cleanup)\b/, 'deletes remote files'),
  git,
  docker: container,
  podman: container,
  nerdctl: container,
  'docker-compose': container,
  kubectl: firstIs(/\b(?:delete|drain)\b/, 'deletes cluster objects'),
  oc: firstIs(/\bdelete\b/, 'deletes cluster objects'),
  helm: firstIs(/^(?:uninstall|delete|del|un)\b/, 'deletes a release'),
  terraform: (texts) =>
    /(?:^|\n)destroy(?:\n|$)/.test(texts.join('\n')) || texts.includes('-destroy')
      ? 'destroys infrastructure'
      : undefined,
  tofu: (texts) => (texts.includes('destroy') || texts.includes('-destroy') ? 'destroys infrastructure' : undefined),
  pulumi: firstIs(/^(?:destroy|down|dn|stack rm)\b/, 'destroys infrastructure'),
  cdk: firstIs(/^destroy\b/, 'destroys infrastructure'),
  vagrant: firstIs(/^destroy\b/, 'destroys a machine'),
  aws: (texts) =>
    cloudDelete(texts) ??
    (texts.includes('rb') || (texts.includes('s3') && texts.includes('rm')) ? 'deletes cloud data' : undefined),
  gcloud: (texts) => cloudDelete(texts),
  gsutil: firstIs(/^(?:rm|rb)\b/, 'deletes cloud data'),
  az: (texts) => cloudDelete(texts),
  doctl: (texts) => cloudDelete(texts),
  gh: firstIs(/^(?:repo|release|secret|gist|run|workflow|cache) delete\b/, 'deletes on GitHub'),
  heroku: firstIs(/^(?:apps:destroy|pg:reset|addons:destroy)/, 'destroys an app'),
  'redis-cli': (texts) => (texts.some((text) => /^flush(?:all|db)$/i.test(text)) ? 'empties a database' : undefined),
  psql: sqlClient,
  mysql: sqlClient,
  mariadb: sqlClient,
  sqlite3: sqlClient,
  sqlcmd: sqlClient,
  'clickhouse-client': sqlClient,
  duckdb: sqlClient,
  mongo: (texts) =>
    /\b(?:dropDatabase|drop|deleteMany|remove)\s*\(/.test(texts.join(' ')) ? 'empties a database' : undefined,
  mongosh: (texts) =>
    /\b(?:dropDatabase|drop|deleteMany|remove)\s*\(/.test(texts.join(' ')) ? 'empties a database' : undefined,
  dropdb: always('deletes a database'),
  dropuser: always('deletes a database user'),
  mysqladmin: firstIs(/\bdrop\b/, 'deletes a database'),
  format: (texts) => (texts.some((text) => /^[A-Za-z]:$/.test(text)) ? 'formats a drive' : undefined),
  diskpart: always('changes disks'),
  vssadmin: firstIs(/^(?:delete|resize)\b/i, 'deletes shadow copies'),
  wbadmin: firstIs(/^delete\b/i, 'deletes backups'),
  bcdedit: (texts) =>
    texts.some((text) => /^\/(?:set|delete)/i.test(text)) ? 'changes how the machine boots' : undefined,
  cipher: (texts) => (texts.some((text) => /^\/w/i.test(text)) ? 'overwrites free space' : undefined),
  wmic: (texts) => (/shadowcopy[\s\S]{0,40}delete/i.test(texts.join(' ')) ? 'deletes shadow copies' : undefined),
  reg: firstIs(/^delete\b/i, 'deletes registry keys'),
};

function cloudDelete(texts: readonly string[]): string | undefined {
  return operandsOf(texts).some((text) => /^(?:delete|terminate|destroy|purge|remove)(?:-|$)/.test(text))
    ? 'deletes cloud resources'
    : undefined;
}

function byName(program: string): string | undefined {
  if (/^(?:mkfs|mke2fs|newfs)(?:[._]|$)|^mkswap$/.test(program)) return 'makes a file system';
  return undefined;
}

/** Why code of another language deletes; undefined when it does not. */
export const codeDestruction = (command: ShellCommand): string | undefined => interpreted(textsOf(command), command);

function isForkBomb(program: string, command: ShellCommand, commands: readonly ShellCommand[]): boolean {
  const body = `${program}()`;
  if (!command.via.includes(body) || command.pipedFrom === undefined) return false;
  return command.pipedFrom.some((at) => commands[at]?.program === program && commands[at].via.includes(body));
}
