import { codeOf, hasOption, operandsOf, textsOf } from './arguments.ts';
import { isInterpreter } from './hidden.ts';
import type { ShellCommand } from './reading.ts';

/** Programs that bring what another machine has. */
export const FETCHERS = new Set(
  'curl wget aria2c axel lynx w3m links http https xh httpie fetch ftp tftp lftp scp sftp invoke-webrequest iwr invoke-restmethod irm start-bitstransfer certutil bitsadmin gsutil rclone'.split(
    ' ',
  ),
);
const SOCKETS = new Set('nc ncat netcat nc.openbsd nc.traditional socat telnet openssl pwncat rcat'.split(' '));
const OTHERS =
  /^(?:ssh|slogin|autossh|mosh|rsh|rsync|ping6?|traceroute|dig|nslookup|host|drill|kdig|nmap|masscan|smbclient|mount\.cifs|rclone|ngrok|cloudflared|mail|mailx|sendmail|mutt|swaks|msmtp|apt|apt-get|yum|dnf|apk|pacman|uvx|npx|bunx|kubectl|helm|aws|gcloud|az|gh|glab|heroku|doctl|vercel|netlify|flyctl|terraform|redis-cli|psql|mysql|mongosh?|ldapsearch|whois|tor|torify|proxychains4?|test-netconnection|resolve-dnsname|mshta|finger|wormhole|magic-wormhole|croc|s3cmd|mc|ipfs|youtube-dl|yt-dlp|hydra|nikto|sqlmap|gobuster|ffuf)$/;
const SHELL_NAMES =
  /^(?:(?:ba|z|da|k|mk|a|fi|c|tc|ya|po)?sh|ksh93|rbash|busybox|eval|source|\.|cmd|powershell|pwsh|iex|invoke-expression)$/;
const SHELL_PATH = /(?:^|[/\s:'"=])(?:(?:ba|z|da|k|a|c|tc)?sh|cmd(?:\.exe)?|powershell(?:\.exe)?|pwsh)(?=$|[\s'",;)])/;
const DEVICE = /^\/dev\/(?:tcp|udp)\//;

export const isShell = (command: ShellCommand) => SHELL_NAMES.test(command.program ?? '');
export const isSocket = (command: ShellCommand) =>
  SOCKETS.has(command.program ?? '') && (command.program !== 'openssl' || textsOf(command).includes('s_client'));
/** Bash's own sockets. */
export const overDevice = (command: ShellCommand) => command.redirects.some(({ word }) => DEVICE.test(word.text));

/** Why a command talks to another machine. */
export function network(command: ShellCommand): string | undefined {
  if (overDevice(command)) return 'opens a connection through /dev/tcp';
  const { program } = command;
  if (program === undefined || program === '') return undefined;
  if (FETCHERS.has(program) || isSocket(command) || OTHERS.test(program)) return program;
  const texts = textsOf(command);
  const asks = ASKS.get(program);
  if (asks !== undefined)
    return operandsOf(texts)
      .slice(0, 2)
      .some((text) => asks.has(text)) ||
      (program === 'yarn' && texts.length === 0)
      ? program
      : undefined;
  if (program === 'git' && texts.some((text) => /^(?:push|pull|fetch|clone|ls-remote|submodule|archive)$/.test(text)))
    return 'git';
  if (texts.some((text) => /^[\w+.-]{0,20}(?:https?|ftp|ssh|wss?):\/\//i.test(text)) && !QUIET.has(program))
    return `${program} with a URL`;
  const code = isInterpreter(program) || program.startsWith('.') || program === 'new-object' ? codeOf(command) : '';
  return /socket|urllib|urlopen|requests\.|http\.client|https?:\/\/|Net::|IO::Socket|fetch\(|\/inet\/|fsockopen|net\.connect|TCPSocket|webclient|tcpclient/i.test(
    code,
  )
    ? 'code that talks to the network'
    : undefined;
}

const PACKAGE_WORDS = new Set(
  'install i ci add update upgrade up publish view info search audit exec x dlx create init login outdated download index sync tool lock push fetch owner deprecate whoami get mod'.split(
    ' ',
  ),
);
const CONTAINER_WORDS = new Set('pull push run build login search up buildx'.split(' '));
/** Programs that use the network for some of their subcommands. */
const ASKS: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ...['npm', 'pnpm', 'yarn', 'bun', 'pip', 'pip3', 'uv', 'gem', 'cargo', 'composer', 'go', 'brew', 'snap'].map(
    (name) => [name, PACKAGE_WORDS] as const,
  ),
  ...['docker', 'podman', 'nerdctl', 'docker-compose'].map((name) => [name, CONTAINER_WORDS] as const),
]);

const QUIET = new Set(
  'echo printf grep egrep fgrep rg sed awk git cat test [ export declare local readonly alias find basename dirname expr true : tee logger'.split(
    ' ',
  ),
);

/** Why a command hands a shell to another machine. */
export function reverseShell(command: ShellCommand, commands: readonly ShellCommand[]): string | undefined {
  const { program } = command;
  const texts = textsOf(command);
  if (overDevice(command) && (isShell(command) || program === 'exec' || isInterpreter(program ?? '')))
    return 'a shell on a network connection';
  if (isSocket(command)) {
    if (program === 'socat') {
      if (texts.some((text) => /^(?:exec|system|shell)[:-]/i.test(text))) return 'socat that runs a program';
    } else if (
      hasOption(
        texts.filter((text) => !/^-[a-zA-Z]*[pwislq]\d/.test(text)),
        program === 'openssl' || program === 'telnet' ? '' : 'ec',
        'exec',
        'sh-exec',
        'lua-exec',
      )
    )
      return 'a socket that runs a program';
  }
  const sources = command.pipedFrom;
  if (sources !== undefined) {
    const other = sources.length > 64 ? sources.slice(0, 64) : sources;
    if (isSocket(command) && other.some((at) => isBareShell(commands[at]))) return 'a shell piped into a socket';
    if (isBareShell(command) && other.some((at) => commands[at] !== undefined && isSocket(commands[at])))
      return 'a socket piped into a shell';
  }
  if (
    program === undefined ||
    !(isInterpreter(program) || /^(?:powershell|pwsh|new-object)$/.test(program) || command.via.includes('powershell'))
  )
    return undefined;
  const code = codeOf(command);
  const connects =
    /socket|\/inet\/(?:tcp|udp)|fsockopen|TCPSocket|net\.(?:connect|Socket|createConnection)|tcpclient|IO::Socket|\/dev\/tcp/i.test(
      code,
    );
  const serves =
    /\/bin\/(?:ba|z|da|a)?sh|\bdup2\b|pty\.spawn|subprocess|popen|spawn\(|exec|cmd(?:\.exe)?\b|system|getline|powershell|iex\b|GetStream/i.test(
      code,
    );
  return connects &&
    serves &&
    (SHELL_PATH.test(code) || /dup2|pty|GetStream|getline|\bexec|subprocess|popen|spawn/i.test(code))
    ? 'code that connects a shell to a socket'
    : undefined;
}

const isBareShell = (command: ShellCommand | undefined) =>
  command !== undefined && isShell(command) && command.program !== 'eval';
