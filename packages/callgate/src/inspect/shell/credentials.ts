import { operandsOf, shown, textsOf } from './arguments.ts';
import type { ShellCommand } from './reading.ts';

const CREDENTIALS =
  /(?:^|\/)(?:\.ssh\/(?!known_hosts|config$|authorized_keys)[^/]*|id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|\.aws\/(?:credentials|config|sso)?\S*|\.azure\/\S*|\.config\/gcloud\S*|application_default_credentials\.json|\.kube\/config|\.docker\/config\.json|\.npmrc|\.pypirc|\.netrc|_netrc|\.git-credentials|\.gnupg\/?\S*|\.pgpass|\.my\.cnf|\.vault-token|\.config\/gh\/hosts\.yml|\.terraform\.d\/credentials\S*|\.cargo\/credentials\S*|\.gem\/credentials|\.password-store\S*|\.env(?:\.(?!example|sample|template|dist)[\w-]+)?|\.htpasswd|login\.keychain(?:-db)?|logins\.json|key[34]\.db|wallet\.dat|cookies\.sqlite|Login Data|Cookies|\.(?:bash|zsh|python|mysql|psql)_history|credentials\.json|service[-_]account\S*\.json|secrets?\.(?:ya?ml|json|toml|env)|shadow-|kubeconfig|\.callgate\S*)$|^\/etc\/(?:shadow|gshadow|sudoers|master\.passwd|krb5\.keytab|ssl\/private\S*|ssh\/ssh_host_\w+_key|kubernetes\/admin\.conf)|^\/proc\/(?:[^/]+|\0)\/(?:environ|mem)$|^\/(?:var\/)?run\/secrets\/|\.(?:pem|p12|pfx|jks|keystore|kdbx|ppk)$|\b(?:config|repair)[\\/](?:sam|system|security)$|ntds\.dit$/i;

/** Programs that name a file without reading what is in it. */
const NOT_READERS = new Set(
  'rm ls stat test [ [[ touch mkdir chmod chown chgrp echo printf cd pushd find du file ssh scp sftp ssh-add ssh-keygen ssh-copy-id rsync git export alias unset which realpath readlink dirname basename ln rmdir gpg docker npm ansible ansible-playbook terraform code locate fd tree'.split(
    ' ',
  ),
);

/** Why a command reads secrets. */
export function credentialRead(command: ShellCommand): string | undefined {
  const { program } = command;
  const texts = textsOf(command);
  const read = command.redirects.find(({ op, word }) => op === '<' && CREDENTIALS.test(word.text));
  if (read !== undefined) return `reads ${shown(read.word.text)}`;
  if (program === undefined || program === '') return undefined;
  if (!NOT_READERS.has(program)) {
    const file = texts.find((text) => isCredentialFile(text.replace(/^(?:if=|@|--?[\w-]+=@?)/, '')));
    if (file !== undefined) return `reads ${shown(file)}`;
    const inCode = texts.find((text) => /[('"\s]/.test(text) && program !== 'grep' && codeNames(text));
    if (inCode !== undefined && /^(?:python|perl|ruby|node|php|awk|gawk|lua|osascript)/.test(program))
      return 'code that reads secrets';
  }
  if (
    program === 'find' &&
    texts.some((text) =>
      /^(?:\*?\.?(?:pem|kdbx|ppk|p12)|id_rsa\*?|\*\.pem|\*\.kdbx|\.env\*?|\*credential\S*)$/i.test(text),
    )
  )
    return 'looks for key files';
  if (texts.some((text) => /169\.254\.169\.254|metadata\.google\.internal|fd00:ec2::254|169\.254\.170\.2/.test(text)))
    return 'asks the cloud for the machine credentials';
  return storeRead(program, texts);
}

function isCredentialFile(text: string): boolean {
  return !text.endsWith('.pub') && CREDENTIALS.test(text);
}

const codeNames = (text: string) =>
  (text.match(/[~/.\w-]{3,200}/g) ?? []).slice(0, 200).some((name) => /^[~/.]/.test(name) && isCredentialFile(name));

function storeRead(program: string, texts: readonly string[]): string | undefined {
  const line = `${program} ${operandsOf(texts).slice(0, 4).join(' ')}`;
  const stores =
    /^(?:security (?:find-(?:generic|internet)-password|dump-keychain|export)|gcloud auth (?:print-|application-default print)|gh auth token|aws (?:configure (?:get|export-credentials)|sts get-session-token|secretsmanager get-secret-value|ssm get-parameter)|az account get-access-token|az keyvault secret show|kubectl get secrets?\b|kubectl describe secrets?\b|vault (?:kv get|read)|op (?:read|item get)|pass show|bw get|git credential(?:-\w+)? (?:fill|get)|secret-tool lookup|heroku auth:token|doppler secrets|npm config get \S*auth|npm token|printenv \S*(?:KEY|TOKEN|SECRET|PASSW)\S*|reg save|cmdkey|vaultcmd|mimikatz|unshadow|hashdump|secretsdump\S*|getent shadow|laZagne\S*|keychain-dump|ssh-add -L)/i;
  if (stores.test(line)) return 'reads a secret store';
  if (program === 'procdump' || (program === 'rundll32' && /comsvcs/i.test(texts.join(' '))))
    return 'dumps the memory of a process';
  return undefined;
}
