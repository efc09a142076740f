import { hasOption, operandsOf, shown, textsOf } from './arguments.ts';
import type { ShellAssignment, ShellCommand } from './reading.ts';

const GUARDS =
  /^(?:auditd?|rsyslogd?|syslog(?:-ng)?|systemd-journald|firewalld|ufw|iptables|nftables|apparmor|selinux|fail2ban|clamav\S*|clamd|falcon-sensor|crowdstrike\S*|osqueryd?|wazuh\S*|ossec\S*|sysmon|mdatp|sentinel\S*|carbonblack|cbagentd|falco|aide|tripwire|samhain|snort|suricata|WinDefend|MpsSvc|EventLog|Sense|callgate\S*)(?:\.service)?$/i;
const GUARD_VARIABLES =
  /^(?:HISTFILE|HISTSIZE|HISTFILESIZE|HISTCONTROL|HISTIGNORE|NODE_TLS_REJECT_UNAUTHORIZED|GIT_SSL_NO_VERIFY|PYTHONHTTPSVERIFY|CALLGATE_HOME)$/;

/** Why a command switches off logging, a firewall, a scanner or a check. */
export function disablesDefences(command: ShellCommand): string | undefined {
  const { program } = command;
  const log = command.redirects.find(({ op, word }) => /^>\|?$/.test(op) && isLog(word.text));
  if (log !== undefined) return `empties ${shown(log.word.text)}`;
  if (program === undefined) return undefined;
  const texts = textsOf(command);
  const line = texts.join(' ');
  const operands = operandsOf(texts);
  switch (program) {
    case 'setenforce':
      return /^(?:0|permissive)$/i.test(operands[0] ?? '') ? 'switches SELinux off' : undefined;
    case 'systemctl':
      return /^(?:stop|disable|mask|kill)$/.test(operands[0] ?? '') &&
        operands.slice(1).some((name) => GUARDS.test(name))
        ? 'stops a guard'
        : undefined;
    case 'service':
    case 'rc-service':
      return GUARDS.test(operands[0] ?? '') && operands[1] === 'stop' ? 'stops a guard' : undefined;
    case 'kill':
    case 'pkill':
    case 'killall':
    case 'taskkill':
    case 'stop-process':
    case 'stop-service':
    case 'net':
    case 'sc':
      return operands.some((name) => GUARDS.test(name.replace(/\.exe$/i, ''))) &&
        !/^(?:query|start)$/i.test(operands[0] ?? '')
        ? 'stops a guard'
        : undefined;
    case 'ufw':
      return /^(?:disable|reset)$/.test(operands.at(-1) ?? '') || /\bdefault allow incoming\b/.test(line)
        ? 'switches the firewall off'
        : undefined;
    case 'iptables':
    case 'ip6tables':
    case 'ebtables':
      return hasOption(texts, 'FX', 'flush', 'delete-chain') || /(?:-P|--policy) \w+ ACCEPT/.test(line)
        ? 'switches the firewall off'
        : undefined;
    case 'nft':
      return /^(?:flush|delete) /.test(line) ? 'switches the firewall off' : undefined;
    case 'pfctl':
      return hasOption(texts, 'dF') ? 'switches the firewall off' : undefined;
    case 'auditctl':
      return hasOption(texts, 'D') || /-e 0\b/.test(line) ? 'switches auditing off' : undefined;
    case 'history':
      return hasOption(texts, 'cdw') ? 'clears the history' : undefined;
    case 'set':
      return /\+o history\b/.test(line) ? 'switches the history off' : undefined;
    case 'unset':
    case 'export':
    case 'readonly':
    case 'declare':
      return program === 'unset' && operands.some((name) => GUARD_VARIABLES.test(name))
        ? 'switches the history off'
        : undefined;
    case 'rm':
    case 'shred':
    case 'truncate':
    case 'unlink':
      return operands.some(isLog) ? 'deletes logs or the history' : undefined;
    case 'ln':
      return operands[0] === '/dev/null' && isLog(operands[1] ?? '') ? 'deletes logs or the history' : undefined;
    case 'journalctl':
      return /--vacuum|--rotate/.test(line) ? 'deletes logs' : undefined;
    case 'dmesg':
      return hasOption(texts, 'cC', 'clear', 'read-clear') ? 'clears the kernel log' : undefined;
    case 'wevtutil':
      return /^(?:cl|clear-log|sl)\b/i.test(line) ? 'clears the event log' : undefined;
    case 'clear-eventlog':
    case 'remove-eventlog':
      return 'clears the event log';
    case 'set-mppreference':
    case 'add-mppreference':
      return /-Disable\w+|-Exclusion\w+/i.test(line) ? 'weakens the virus scanner' : undefined;
    case 'set-executionpolicy':
      return /bypass|unrestricted/i.test(line) ? 'allows unsigned scripts' : undefined;
    case 'set-netfirewallprofile':
      return /-Enabled:?\s+\$?false/i.test(line) ? 'switches the firewall off' : undefined;
    case 'netsh':
      return /firewall[\s\S]*(?:\boff\b|disable)/i.test(line) ? 'switches the firewall off' : undefined;
    case 'csrutil':
      return operands[0] === 'disable' ? 'switches system protection off' : undefined;
    case 'spctl':
      return /--(?:master|global)-disable/.test(line) ? 'switches Gatekeeper off' : undefined;
    case 'xattr':
      return /com\.apple\.quarantine/.test(line) && hasOption(texts, 'dc') ? 'removes the quarantine mark' : undefined;
    case 'chattr':
      return texts.some((text) => /^-[a-zA-Z]*[ia]/.test(text)) ? 'makes protected files writable' : undefined;
    case 'aa-disable':
    case 'aa-teardown':
    case 'aa-complain':
      return 'weakens AppArmor';
    case 'sysctl':
      return /(?:randomize_va_space|yama\.ptrace_scope|dmesg_restrict|kptr_restrict)\s?=\s?0/.test(line)
        ? 'weakens the kernel'
        : undefined;
    case 'git':
      return /http\.sslverify[= ](?:false|0)/i.test(line) ? 'switches certificate checks off' : undefined;
    case 'npm':
      return /strict-ssl[= ]false/i.test(line) ? 'switches certificate checks off' : undefined;
    default:
      return undefined;
  }
}

const isLog = (text: string) =>
  /^\/var\/(?:log|audit)\/|(?:^|\/)\.(?:bash|zsh|sh|python|mysql|psql)_history$|^\/var\/(?:run\/utmp|log\b)/.test(text);

/** Why an assignment switches off a check or the history. */
export function assignmentDefence({ name, value }: ShellAssignment): string | undefined {
  if (!GUARD_VARIABLES.test(name)) return undefined;
  const text = value.text.trim();
  const off =
    name === 'HISTFILE' || name === 'CALLGATE_HOME'
      ? true
      : name === 'HISTIGNORE'
        ? /^'?\*/.test(text)
        : name === 'HISTCONTROL'
          ? false
          : name === 'GIT_SSL_NO_VERIFY'
            ? text !== '' && text !== '0' && text !== 'false'
            : text === '0';
  return off ? `sets ${name}` : undefined;
}
