import { codeOf, operandsOf, textsOf } from './arguments.ts';
import { isSocket, network, overDevice } from './network.ts';
import type { ShellCommand } from './reading.ts';

const HARMLESS_SOURCES = new Set(
  'date echo printf git seq basename dirname pwd mktemp jq expr uuidgen sleep true nproc'.split(' '),
);

/** Why a command sends local data away. */
export function exfiltration(command: ShellCommand, commands: readonly ShellCommand[]): string | undefined {
  const { program } = command;
  if (program === undefined) return undefined;
  const texts = textsOf(command);
  const readsLocal = command.words.some(({ from }) => from.some((at) => isLocalSource(commands[at])));
  const piped = command.pipedFrom !== undefined && command.pipedFrom.some((at) => isLocalSource(commands[at]));
  const fileIn = command.redirects.some(({ op }) => op === '<');
  switch (program) {
    case 'curl':
    case 'http':
    case 'https':
    case 'xh':
      return curlSends(texts) ? 'sends a file' : readsLocal ? 'sends the output of a command' : undefined;
    case 'wget':
      return texts.some((text) => /^--(?:post|body)-file/.test(text))
        ? 'sends a file'
        : readsLocal
          ? 'sends the output of a command'
          : undefined;
    case 'nc':
    case 'ncat':
    case 'netcat':
    case 'socat':
    case 'telnet':
      return piped || fileIn || command.redirects.some(({ op }) => op === '<<<' && readsLocal)
        ? 'sends what it reads'
        : undefined;
    case 'openssl':
      return isSocket(command) && (piped || fileIn) ? 'sends what it reads' : undefined;
    case 'scp':
    case 'rsync':
      return isRemote(operandsOf(texts).at(-1)) && operandsOf(texts).length > 1
        ? 'copies files to another machine'
        : undefined;
    case 'ssh':
      return (piped || fileIn) && operandsOf(texts).length > 1 ? 'sends what it reads' : undefined;
    case 'dig':
    case 'nslookup':
    case 'host':
    case 'drill':
    case 'ping':
      return readsLocal
        ? 'puts data into a host name'
        : command.via.includes('xargs') && texts.some((text) => /\0[\w.-]*\.[a-z]{2,}/i.test(text))
          ? 'puts data into a host name'
          : undefined;
    case 'mail':
    case 'mailx':
    case 'mutt':
    case 'sendmail':
    case 'msmtp':
    case 'swaks':
      return piped || fileIn || texts.some((text) => /^(?:-a|-A|--attach)/.test(text)) ? 'mails data' : undefined;
    case 'aws':
    case 'gsutil':
    case 'rclone':
    case 's3cmd':
    case 'mc':
      return /^(?:.*\s)?(?:cp|mv|sync|copy|move|put)\s/.test(`${texts.join(' ')} `) &&
        /^(?:s3:|gs:|\w+:)/.test(operandsOf(texts).at(-1) ?? '')
        ? 'uploads files'
        : undefined;
    case 'ftp':
    case 'lftp':
    case 'tftp':
      return /\b(?:put|mput|mirror -R)\b/.test(codeOf(command)) ? 'uploads files' : undefined;
    case 'gh':
      return operandsOf(texts)[0] === 'gist' && operandsOf(texts)[1] === 'create' ? 'publishes a file' : undefined;
    case 'croc':
    case 'wormhole':
      return operandsOf(texts)[0] === 'send' ? 'sends a file' : undefined;
    case 'invoke-webrequest':
    case 'invoke-restmethod':
      return /-(?:infile|body)\b/i.test(texts.join(' ')) && /post|put|-infile/i.test(texts.join(' '))
        ? 'sends data'
        : undefined;
    default:
      break;
  }
  if (overDevice(command) && (command.pipedFrom !== undefined || readsSomething(command)))
    return 'sends a file through /dev/tcp';
  return undefined;
}

const readsSomething = (command: ShellCommand) =>
  /^(?:cat|tar|dd|head|tail|base64|gzip|xxd)$/.test(command.program ?? '');

function curlSends(texts: readonly string[]): boolean {
  return texts.some((text, at) => {
    if (/^(?:-T|--upload-file)$/.test(text) || /^(?:-T\S|--upload-file=)/.test(text)) return true;
    const value =
      /^(?:-[a-zA-Z]*[dF]|--data|--data-binary|--data-raw|--data-ascii|--data-urlencode|--form|--json)$/.test(text)
        ? (texts[at + 1] ?? '')
        : (/^(?:-[dF]|--(?:data(?:-\w+)?|form|json)=)([\s\S]+)$/.exec(text)?.[1] ?? '');
    const raw = text === '--data-raw' || text.startsWith('--data-raw=');
    return !raw && (/^@./.test(value) || /^[\w.[\]-]{1,80}=?[@<]./.test(value));
  });
}

function isLocalSource(command: ShellCommand | undefined): boolean {
  return command !== undefined && !HARMLESS_SOURCES.has(command.program ?? '') && network(command) === undefined;
}

const isRemote = (text: string | undefined) =>
  text !== undefined && /^(?:[^/\s:]+@)?[\w.\0-]+:(?!\\)|^\w+:\/\//.test(text) && !/^[A-Za-z]:[\\/]/.test(text);
