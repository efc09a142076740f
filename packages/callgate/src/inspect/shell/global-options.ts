import type { ShellWord } from './variables.ts';

/** Options that say where, or by which settings, a program with subcommands works, and take a value. */
const GLOBALS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries({
    npm: '--prefix -C -w --workspace --loglevel --registry --cache --userconfig --globalconfig',
    pnpm: '-C --dir --prefix -F --filter --loglevel',
    yarn: '--cwd --modules-folder --cache-folder --mutex',
    bun: '--cwd --filter',
    uv: '--directory --project --cache-dir --config-file --color',
    poetry: '-C --directory -P --project',
    pdm: '-p --project -c --config',
    hatch: '-p --project -e --env --data-dir --cache-dir --config',
    conda: '-n --name -p --prefix --cwd',
    mamba: '-n --name -p --prefix --cwd',
    mise: '-C --cd -E --env -j --jobs',
    cargo: '-C --manifest-path --config --color -Z',
    go: '-C',
    composer: '-d --working-dir',
    ...sameFor('docker podman nerdctl docker-compose', [
      '-H --host -c --context --config -l --log-level --project-directory -f --file -p --project-name --profile --env-file',
      '--ansi --parallel --connection --url',
    ]),
    ...sameFor('kubectl oc', [
      '-n --namespace --context --kubeconfig --cluster --user -s --server --as --as-group --token --cache-dir -v',
      '--request-timeout --certificate-authority --client-certificate --client-key',
    ]),
    helm: '-n --namespace --kube-context --kubeconfig --registry-config --repository-config --repository-cache',
    systemctl: '-H --host -M --machine --root -t --type -p --property -o --output -n --lines --state',
    pip: '--python --proxy --log --cache-dir --timeout --retries --cert',
    pip3: '--python --proxy --log --cache-dir --timeout --retries --cert',
  }).map(([program, options]) => [program, options.split(' ')]),
);

function sameFor(programs: string, options: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(programs.split(' ').map((program) => [program, options.join(' ')]));
}

/** `docker compose --file x down`: such options may stand before the second word, too. */
const MOST_SUBCOMMANDS = 2;

/**
 * Takes the options apart that say where a program works and stand before its subcommands.
 * @returns `rest`, the program and all other words; `globals`, those options with their values.
 */
export function splitGlobals(
  program: string,
  words: readonly ShellWord[],
): { readonly rest: readonly ShellWord[]; readonly globals: readonly ShellWord[] } {
  const options = GLOBALS.get(program);
  if (options === undefined) return { rest: words, globals: [] };
  const rest = words.slice(0, 1);
  const globals: ShellWord[] = [];
  let at = 1;
  for (let found = 0; at < words.length && found < MOST_SUBCOMMANDS && words[at]!.text !== '--'; at++) {
    const { text } = words[at]!;
    if (options.includes(text)) {
      globals.push(...words.slice(at, at + 2));
      at++;
      continue;
    }
    if (!text.startsWith('-')) found++;
    rest.push(words[at]!);
  }
  return { rest: [...rest, ...words.slice(at)], globals };
}
