import { describe, expect, it } from 'vitest';
import { readShell } from './index.ts';
import { parseShell } from './parser.ts';
import { claims, judge } from './testing.ts';

/** A command in the directory it is called in, and the same told to work elsewhere. */
const ELSEWHERE: readonly (readonly [string, readonly string[]])[] = [
  ['git push -f', ['git -C dir push -f', 'git -C a -C b push -f', 'git -C "$D" push -f', 'git --work-tree /x push -f']],
  [
    'git reset --hard',
    ['git -C dir reset --hard', 'git --work-tree=/x reset --hard', 'git -C a -c b.c=d reset --hard'],
  ],
  ['git clean -fdx', ['git -C / clean -fdx']],
  ['git log', ['git -C /srv/project log', 'git -C a --no-pager log']],
  ['git bisect run rm -rf x', ['git -C a bisect run rm -rf x']],
  ["git submodule foreach 'rm -rf x'", ["git -C a submodule foreach 'rm -rf x'"]],
  ["git -c alias.x='!rm -rf y' x", ["git -C a -c alias.x='!rm -rf y' x"]],
  ['make all', ['make -C dir all', 'make -Cdir all', 'make --directory=dir all', 'make --directory dir all']],
  ['ninja', ['ninja -C out']],
  ['just x', ['just -d dir x', 'just --working-directory dir x']],
  [
    'env rm -rf x',
    [
      'env -C dir rm -rf x',
      'env -Cdir rm -rf x',
      'env -CSrc rm -rf x',
      'env -uSHELL rm -rf x',
      'env -iC dir rm -rf x',
      'env --chdir=dir rm -rf x',
      'env --chdir dir rm -rf x',
      'env --ch dir rm -rf x',
      'env --un A rm -rf x',
      'env -C dir A=b rm -rf x',
      "env -C dir -S 'rm -rf x'",
      "env -C dir -S'rm -rf x'",
      "env -u A -S 'rm -rf x'",
      "env -iu A -vS 'rm -rf x'",
      "env --chdir=dir --split-string='rm -rf x'",
      "env --chdir dir --split 'rm -rf x'",
    ],
  ],
  ['sudo rm -rf x', ['sudo -D dir rm -rf x', 'sudo --chdir=dir rm -rf x', 'sudo --chd dir rm -rf x']],
  ['run0 rm -rf x', ['run0 -D dir rm -rf x', 'run0 --chdir=dir rm -rf x', 'run0 -g wheel rm -rf x']],
  [
    'systemd-run rm -rf x',
    [
      'systemd-run --working-directory dir rm -rf x',
      'systemd-run --working-directory=dir rm -rf x',
      'systemd-run -d rm -rf x',
    ],
  ],
  [
    'nsenter -t 1 rm -rf x',
    ['nsenter -t 1 -w rm -rf x', 'nsenter -t 1 -wdir rm -rf x', 'nsenter -t 1 --wd=dir rm -rf x'],
  ],
  ['unshare rm -rf x', ['unshare --wd dir rm -rf x', 'unshare -w dir rm -rf x']],
  ['docker exec c rm -rf x', ['docker exec -w /x c rm -rf x', 'docker --context y exec --workdir=/x c rm -rf x']],
  ['docker compose down -v', ['docker compose --project-directory dir down -v', 'docker compose -f a.yml down -v']],
  ['docker build .', ['docker --context x build .']],
  ['npm run x', ['npm --prefix dir run x', 'npm --prefix=dir run x', 'npm -C dir run x']],
  ['npm test', ['npm --prefix dir test', 'npm --prefix list test']],
  ['npm ls', ['npm --prefix dir ls', 'npm -C install ls']],
  ['npm install', ['npm --prefix list install', 'npm --some-option list install']],
  [
    'npm exec -- rm -rf x',
    ['npm --prefix dir exec -- rm -rf x', 'npm --silent exec -- rm -rf x', 'npm --which is exec -- rm -rf x'],
  ],
  ['pnpm exec rm -rf x', ['pnpm -C dir exec rm -rf x', 'pnpm --dir=dir exec rm -rf x']],
  ['pnpm ls', ['pnpm -C dir ls']],
  ['yarn exec rm -rf x', ['yarn --cwd dir exec rm -rf x']],
  ['yarn list', ['yarn --cwd dir list']],
  ['bun x rm -rf y', ['bun --cwd dir x rm -rf y', 'bun --cwd=dir x rm -rf y']],
  [
    'uv run rm -rf x',
    ['uv --directory dir run rm -rf x', 'uv run --directory dir rm -rf x', 'uv --project=dir run rm -rf x'],
  ],
  ['poetry run rm -rf x', ['poetry -C dir run rm -rf x', 'poetry --directory dir run rm -rf x']],
  ['conda run rm -rf x', ['conda run --cwd dir rm -rf x', 'conda run -n env rm -rf x']],
  ['hatch run rm -rf x', ['hatch -p dir run rm -rf x']],
  ['mise exec -- rm -rf x', ['mise -C dir exec -- rm -rf x', 'mise --cd dir x -- rm -rf x']],
  ['cargo build', ['cargo -C dir build', 'cargo --manifest-path dir/Cargo.toml build']],
  ['cargo tree', ['cargo -C dir tree']],
  ['go run .', ['go -C dir run .', 'go -C=dir run .']],
  ['composer install', ['composer -d dir install', 'composer --working-dir=dir install']],
  ['terraform destroy', ['terraform -chdir=dir destroy']],
  ['kubectl delete pod x', ['kubectl -n get delete pod x', 'kubectl --kubeconfig list delete pod x']],
  ['kubectl get pods', ['kubectl -n prod get pods', 'kubectl --context=a get pods']],
  ['systemctl status x', ['systemctl --user status x']],
  ['tar -xf a', ['tar -C dir -xf a', 'tar -xf a --directory=dir']],
  ['tar -tf a', ['tar -C dir -tf a']],
  [
    'cd dir && rm -rf x',
    ['(cd dir; rm -rf x)', 'direnv exec dir rm -rf x', 'chpst -/ dir rm -rf x', 'envdir dir rm -rf x'],
  ],
];

describe('a program that is told to work elsewhere does what it would do here', () => {
  describe.each(ELSEWHERE)('%s', (here, texts) => {
    it.each(texts)('%s', (text) => {
      expect(claims(text).filter((name) => name !== 'network')).toEqual(
        claims(here).filter((name) => name !== 'network'),
      );
      expect(judge(text).dynamic).toBe(judge(here).dynamic);
    });
  });

  it('and stays as it is written in the reading', () => {
    const [command] = readShell('npm --prefix dir test', parseShell).commands;
    expect(command?.argv).toEqual(['npm', '--prefix', 'dir', 'test']);
  });
});
