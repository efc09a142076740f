import { GIT_VALUED, hasOption, operandsOf, shown, subcommandOf, textsOf } from './arguments.ts';
import type { ShellCommand } from './reading.ts';

const START_FILES =
  /(?:^|\/)(?:\.(?:bash|zsh|ksh)(?:rc|env|_profile|_login|_logout|_aliases)|\.profile|\.zprofile|\.zlogin|\.login|\.cshrc|\.tcshrc|\.xinitrc|\.xprofile|\.xsession|\.inputrc|\.pam_environment|\.bashrc\.d\/\S*|config\.fish|authorized_keys2?|\.ssh\/(?:config|rc|environment)|\.gitconfig|\.npmrc|\.pypirc|\.vimrc|sitecustomize\.py|usercustomize\.py)$|(?:^|\/)\.git\/(?:hooks\/|config$)|\/autostart\/|\/LaunchAgents\/|\/LaunchDaemons\/|\/systemd\/(?:system|user)\/|\.config\/fish\/conf\.d|\\Startup\\|\/\.husky\//i;
const SYSTEM_FILES =
  /^\/etc\/(?:profile|profile\.d\/|bash\.bashrc|bashrc|zsh|environment|cron|anacrontab|at\.allow|rc\.local|rc\d?\.d|init\.d\/|init\/|ld\.so\.(?:preload|conf)|pam\.d\/|security\/|sudoers|passwd|shadow|group|hosts$|ssh\/|systemd\/|udev\/rules|modules|apt\/apt\.conf|update-motd\.d|xdg\/autostart)|^\/var\/spool\/cron|^\/(?:usr\/)?lib\/systemd\//;

/** Why a command makes something start again later, or lets somebody in again. */
export function persistence(command: ShellCommand): string | undefined {
  const file = writtenFiles(command).find((text) => START_FILES.test(text) || SYSTEM_FILES.test(text));
  if (file !== undefined) return `writes ${shown(file)}, which is read at a start or a login`;
  const { program } = command;
  const texts = textsOf(command);
  const operands = operandsOf(texts);
  const [first = '', second = ''] = operands;
  switch (program) {
    case 'crontab':
      return hasOption(texts, 'lr')
        ? undefined
        : operands.length > 0 || texts.includes('-') || hasOption(texts, 'e') || command.pipedFrom !== undefined
          ? 'changes the crontab'
          : undefined;
    case 'systemctl':
      return /^(?:enable|link|preset|edit|set-default|unmask)$/.test(first)
        ? 'makes a service start by itself'
        : undefined;
    case 'launchctl':
      return /^(?:load|bootstrap|enable|submit)$/.test(first) ? 'makes a service start by itself' : undefined;
    case 'update-rc.d':
    case 'chkconfig':
    case 'rc-update':
      return 'makes a service start by itself';
    case 'at':
    case 'batch':
      return hasOption(texts, 'l') ? undefined : 'runs something later';
    case 'loginctl':
      return first === 'enable-linger' ? 'keeps services after logout' : undefined;
    case 'useradd':
    case 'adduser':
    case 'newusers':
    case 'dscl':
      return program === 'dscl' && !/-create/.test(texts.join(' ')) ? undefined : 'adds a user';
    case 'usermod':
    case 'gpasswd':
    case 'passwd':
    case 'chpasswd':
    case 'visudo':
    case 'chsh':
      return 'changes who may log in';
    case 'ssh-copy-id':
      return 'adds a login key';
    case 'chmod':
      return texts.some(
        (text) => /^(?:[ugoa]*[+=][rwx]*s|[0-7]?[4-7][0-7]{3})$/.test(text) && !/^0[0-7]{3}$/.test(text),
      )
        ? 'sets the set-user-id bit'
        : undefined;
    case 'setcap':
      return 'gives a program capabilities';
    case 'net':
      return /^(?:user|localgroup)$/i.test(first) && texts.some((text) => /^\/add$/i.test(text))
        ? 'adds a user'
        : undefined;
    case 'schtasks':
      return texts.some((text) => /^\/(?:create|change)$/i.test(text)) ? 'makes a task start by itself' : undefined;
    case 'reg':
      return /^add$/i.test(first) && /\\(?:Run|RunOnce|Winlogon|Services)\b/i.test(texts.join(' '))
        ? 'makes a program start by itself'
        : undefined;
    case 'sc':
      return /^create$/i.test(first) ? 'makes a service' : undefined;
    case 'register-scheduledtask':
    case 'new-service':
    case 'new-localuser':
      return 'makes something start or log in by itself';
    case 'set-itemproperty':
    case 'new-itemproperty':
      return /\\Run(?:Once)?\b/i.test(texts.join(' ')) ? 'makes a program start by itself' : undefined;
    case 'git': {
      const { name, rest } = subcommandOf(texts, GIT_VALUED);
      const key = operandsOf(rest);
      return name === 'config' &&
        key.length > 1 &&
        /^(?:core\.(?:hooksPath|fsmonitor|sshCommand|pager|editor)|alias\.|credential\.|filter\.|include\.)/i.test(
          key[0]!,
        ) &&
        (!/^alias\./i.test(key[0]!) || key[1]!.startsWith('!'))
        ? 'makes git run a program later'
        : undefined;
    }
    case 'insmod':
    case 'modprobe':
      return hasOption(texts, 'r') ? undefined : 'loads a kernel module';
    case 'npm':
      return first === 'config' && second === 'set' && /script-shell|prefix|registry/.test(texts.join(' '))
        ? 'changes what npm runs'
        : undefined;
    default:
      return undefined;
  }
}

/** Files a command writes: redirections, and the targets of the usual programs. */
function writtenFiles(command: ShellCommand): string[] {
  const files = command.redirects
    .filter(({ op }) => op.includes('>') && op !== '>&' && op !== '<>')
    .map(({ word }) => word.text);
  const texts = textsOf(command);
  const operands = operandsOf(texts);
  switch (command.program) {
    case 'tee':
    case 'touch':
    case 'truncate':
    case 'sponge':
      files.push(...operands);
      break;
    case 'cp':
    case 'mv':
    case 'ln':
    case 'install':
    case 'scp':
    case 'rsync':
      if (operands.length > 1) {
        const last = operands.at(-1)!;
        files.push(
          last,
          ...operands.slice(0, -1).map((from) => `${last.replace(/\/$/, '')}/${from.slice(from.lastIndexOf('/') + 1)}`),
        );
      }
      break;
    case 'dd':
      files.push(...texts.filter((text) => text.startsWith('of=')).map((text) => text.slice(3)));
      break;
    case 'sed':
    case 'gsed':
    case 'perl':
      if (texts.some((text) => /^(?:-[a-zA-Z]*i|--in-place)/.test(text))) files.push(...operands);
      break;
    case 'curl':
    case 'wget':
      texts.forEach((text, at) => {
        if (/^(?:-o|--output|-O|--output-document)$/.test(text) && texts[at + 1] !== undefined)
          files.push(texts[at + 1]!);
      });
      break;
    case 'set-content':
    case 'add-content':
    case 'out-file':
    case 'new-item':
    case 'copy-item':
    case 'copy':
    case 'chattr':
      files.push(...operands);
      break;
    default:
      break;
  }
  return files;
}
