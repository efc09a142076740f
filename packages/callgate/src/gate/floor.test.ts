import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../model/json.ts';
import { Scanner } from '../protocol/scan.ts';
import { createFloor, type Floor } from './floor.ts';
import { envelopeKeys, stringsOf } from './strings.ts';

const root = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-floor-')));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const userHome = join(root, 'ann');
const cwd = join(userHome, 'project');
const home = join(userHome, '.callgate');
mkdirSync(join(home, 'keys'), { recursive: true });
mkdirSync(join(cwd, 'docs'), { recursive: true });
writeFileSync(join(cwd, 'policy.yaml'), 'version: 1\n');
writeFileSync(join(cwd, 'notes'), 'x');
symlinkSync(home, join(cwd, 'innocent'));
symlinkSync(join(cwd, 'policy.yaml'), join(cwd, 'rules'));
symlinkSync(join(root, 'ann'), join(cwd, 'docs', 'up'));

let lookups = 0;
const realPath = (path: string): string | undefined => {
  lookups++;
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
};
const floor = createFloor({ home, userHome, cwd, protectedFiles: [join(cwd, 'policy.yaml')], realPath });
const elsewhere = createFloor({ home: join(root, 'srv', 'Gate'), userHome, cwd, protectedFiles: [], realPath });

/** As the gate does it: prefilter over the bytes, then the strings. */
function ask(args: JsonObject, by: Floor = floor): string | undefined {
  const scanner = new Scanner();
  const bytes = new TextEncoder().encode(JSON.stringify({ name: 'tool', arguments: args }));
  expect(scanner.scan(bytes)).toBeUndefined();
  const hit = by.judge(stringsOf(scanner, 0));
  if (hit !== undefined) expect(by.mayTouch(bytes, 0, bytes.length)).toBe(true);
  return hit?.id;
}

const path = (text: string): JsonObject => ({ path: text });
const command = (text: string): JsonObject => ({ command: text });
const HOME = 'floor:home';
const POLICY = 'floor:policy';
const CLIENT = 'floor:client-settings';
const RUN = 'floor:callgate-command';

describe('denies', () => {
  it.each<[string, JsonObject]>([
    [HOME, path(home)],
    [HOME, path(join(home, 'keys', 'log.key'))],
    [HOME, path('~/.callgate')],
    [HOME, path('~/.callgate/keys/log.key')],
    [HOME, path('~/.CallGate/keys')],
    [HOME, path('~ann/.callgate/keys')],
    [HOME, path('../.callgate/keys')],
    [HOME, path('docs/../../.callgate')],
    [HOME, path('/etc/../' + home)],
    [HOME, path('$HOME/.callgate/x')],
    [HOME, path('${HOME}/.callgate/x')],
    [HOME, path('${HOME%/}/.callgate')],
    [HOME, path('${CALLGATE_HOME}/keys')],
    [HOME, path('$CALLGATE_HOME')],
    [HOME, path('%USERPROFILE%\\.callgate\\keys')],
    [HOME, path('$env:USERPROFILE\\.callgate')],
    [HOME, path('C:\\Users\\ann\\.callgate\\keys')],
    [HOME, path('..\\.callgate')],
    [HOME, path('%2e%2e/%2ecallgate/keys')],
    [HOME, path('%252e%252e%252f%252ecallgate')],
    [HOME, { uri: `file://${home}/keys` }],
    [HOME, { uri: `file://localhost${home.replace('.callgate', '%2Ecallgate')}/keys` }],
    [HOME, { uri: 'FILE:' + home }],
    [HOME, { uri: 'resource://x/.callgate/keys' }],
    [HOME, path('~/.callgate./keys')],
    [HOME, path('~/.callgate /keys')],
    [HOME, path('~/．ｃａｌｌｇａｔｅ/keys')],
    [HOME, path('~∕.callgate∕keys')],
    [HOME, path('~/.call\u200bgate/keys')],
    [HOME, path('/proc/self/root' + home)],
    [HOME, path('/proc/self/cwd/../.callgate')],
    [HOME, path('innocent/keys')],
    [HOME, path('innocent')],
    [HOME, path('innocent/not/yet/there')],
    [HOME, path('docs/up/.callgate/x')],
    [HOME, { paths: ['notes', 'innocent/keys'] }],
    [HOME, { query: home + '/keys' }],
    [HOME, { content: '~/.callgate/keys/log.key' }],
    [HOME, { options: { deep: [{ where: '~/.callgate' }] } }],
    [HOME, { [`${home}/keys`]: 1 }],
    [HOME, { pattern: '**/.callgate/**' }],
    [HOME, path('~/.c*/keys/*')],
    [HOME, path('~/.[b-d]allgate')],
    [HOME, command('cat ~/.callgate/keys/log.key')],
    [HOME, command("cd ~ && cat '.callgate'/keys/x")],
    [HOME, command('cat ~/.call""gate/keys')],
    [HOME, command('cat ~/.c\\allgate/keys')],
    [HOME, command('h=.call; cat ~/${h}gate/keys')],
    [HOME, command("cat ~/$'\\x2ecallgate'/keys")],
    [HOME, command('cat innocent/keys')],
    [HOME, command('tar cz innocent')],
    [HOME, command('dd if=innocent/keys of=x')],
    [HOME, { code: "open('/home/x/.callgate/keys').read()" }],
    [HOME, { sql: "COPY t FROM '/root/.callgate/keys'" }],
    [POLICY, path('policy.yaml')],
    [POLICY, path('./docs/../POLICY.yaml')],
    [POLICY, path('rules')],
    [POLICY, { uri: `file://${cwd}/policy.yaml` }],
    [POLICY, { file_path: join(cwd, 'policy.yaml'), content: 'default: allow' }],
    [POLICY, command('sed -i s/deny/allow/ policy.yaml')],
    [POLICY, { patch: '--- a/policy.yaml\n+++ b/policy.yaml\n@@ -1 +1 @@\n-deny\n+allow\n' }],
    [POLICY, command('sed -i s/deny/allow/ rules')],
    [CLIENT, path('.mcp.json')],
    [CLIENT, path('/any/repo/.claude/settings.local.json')],
    [CLIENT, path('~/.claude.json')],
    [CLIENT, path('.cursor/mcp.json')],
    [CLIENT, path('.vscode\\mcp.json')],
    [CLIENT, path('~/.codex/config.toml')],
    [CLIENT, path('~/.gemini/settings.json')],
    [CLIENT, path('%APPDATA%\\Claude\\claude_desktop_config.json')],
    [CLIENT, path('~/.codeium/windsurf/mcp_config.json')],
    [CLIENT, path('~/.config/zed/settings.json')],
    [CLIENT, path('.claude/hooks/guard.sh')],
    [CLIENT, command('echo {} > .mcp.json')],
    [RUN, command('callgate trust')],
    [RUN, command('npx -y callgate@latest trust .')],
    [RUN, command('npx callgate -- trust')],
    [RUN, command('sudo -u ann env X=1 callgate approve 12')],
    [RUN, command('X=1 callgate approve 12')],
    [RUN, command('./node_modules/.bin/callgate policy set x')],
    [RUN, command('node node_modules/callgate/dist/cli.js trust')],
    [RUN, command('node packages/x/dist/cli.js trust')],
    [RUN, command('node dist/cli.js servers call files write')],
    [RUN, command('callgate servers call files write')],
    [RUN, command('npx callgate serve --auth anonymous')],
    [RUN, command('callgate daemon --stop')],
    [RUN, command('cd /tmp && callgate run --policy x -- srv')],
    [RUN, command('call""gate trust')],
    [RUN, command('c\\allgate trust')],
    [RUN, command("ca'll'gate trust")],
    [RUN, command('$(which callgate) trust; callgate  trust')],
    [RUN, command('`callgate trust`')],
    [RUN, command('a=call b=gate; $a$b trust')],
    [RUN, command("$'\\143allgate' trust")],
    [RUN, command('callgate$IFS$()trust')],
    [RUN, command('bash -c "callgate trust"')],
    [RUN, command('echo callgate trust | sh')],
    [RUN, command('echo trust | xargs callgate')],
    [RUN, command('find . -exec callgate trust {} +')],
    [RUN, command('npm exec callgate trust')],
    [RUN, command('CALLGATE.CMD trust')],
    [RUN, command('callgate logs; callgate trust')],
    [RUN, command('callgate audit rotate')],
    [RUN, command('callgate policy')],
    [RUN, command('callgate $X')],
    [RUN, command('ｃａｌｌｇａｔｅ trust')],
    [RUN, { argv: ['npx', 'callgate', 'trust'] }],
    [RUN, { command: 'npx', args: ['-y', 'callgate', 'trust'] }],
    [RUN, { command: 'callgate', args: ['trust'] }],
    [RUN, { code: 'subprocess.run(["callgate", "trust"])' }],
    [RUN, { anything: 'callgate trust' }],
  ])('%s %j', (id, args) => expect(ask(args)).toBe(id));
});

describe('lets pass', () => {
  it.each<[JsonObject]>([
    [path('notes')],
    [path('docs/callgate.md')],
    [path('/home/other/project/callgate/README.md')],
    [path('~/.callgaterc')],
    [path('~/.config/app/settings.json')],
    [path('src/policy.yaml.md')],
    [path('other/policy.yaml')],
    [path('mcp.json')],
    [path('~/.c*/keys/*'.replace('.c', '.d'))],
    [path('docs/up/project/notes')],
    [path('a%20b%zz.txt')],
    [{ uri: 'https://example.com/u/repo/blob/main/.mcp.json' }],
    [{ url: 'https://github.com/callgate/callgate' }],
    [{ uri: 'memo://insights' }],
    [{ message: 'Have you read ~/.callgate/policy.yaml? Run `callgate trust` first.' }],
    [{ text: 'callgate trust is what a person types' }],
    [{ content: '# Docs\n\nRun:\n\n    callgate trust\n\nThe home is ~/.callgate.\n' }],
    [{ query: 'how does callgate trust work' }],
    [{ description: 'callgate: trust and .mcp.json explained' }],
    [{ body: 'see .claude/settings.json for hooks' }],
    [{ messages: [{ role: 'user', content: 'please run callgate trust' }] }],
    [{ new_string: 'await exec("callgate trust");\n' }],
    [command('callgate logs --json')],
    [command('npx callgate audit verify')],
    [command('callgate policy check policy-new.yaml')],
    [command('callgate policy explain')],
    [command('callgate doctor')],
    [command('callgate --version')],
    [command('callgate --help')],
    [command('npx callgate demo')],
    [command('callgate')],
    [command('grep -rn callgate trust.txt')],
    [command('git clone https://github.com/x/callgate trust')],
    [command('npm install callgate express')],
    [command('npm view callgate version')],
    [command('find . -name callgate -type f')],
    [command('cd callgate && npm test')],
    [command('git commit -m "callgate trust"')],
    [command('node dist/cli.js build')],
    [command('ls -la ~ && cat notes')],
    [command('rm -rf ./build/*')],
    [command("awk '{print $1}' notes | sort | uniq -c")],
    [command('echo "100% done" && date +%s')],
    [{ args: ['status', '--short'] }],
    [{ number: 12, flag: true, nothing: null, list: [] }],
    [{ city: 'São Paulo', name: '日本語', note: 'don’t panic' }],
  ])('%j', (args) => expect(ask(args)).toBeUndefined());
});

describe('the floor', () => {
  it('protects a home of another name, and the usual one beside it', () => {
    expect(ask(path(join(root, 'srv/gate/keys')), elsewhere)).toBe(HOME);
    expect(ask(command('cat $CALLGATE_HOME/keys'), elsewhere)).toBe(HOME);
    expect(ask(path('~/.callgate'), elsewhere)).toBe(HOME);
    expect(ask(path('/srv/other'), elsewhere)).toBeUndefined();
  });

  it('looks nothing up for strings that are no paths', () => {
    lookups = 0;
    expect(ask({ a: 5, city: 'Berlin', message: 'x/y and so on, and more', state: 'open' })).toBeUndefined();
    expect(lookups).toBe(0);
  });

  it('refuses a call with more paths than it may look up', () => {
    expect(ask({ paths: Array.from({ length: 2000 }, (_, at) => `src/${at}.ts`) })).toBe(HOME);
  });

  it('sees escaped letters in the bytes', () => {
    const bytes = new TextEncoder().encode('{"x":"\\u002ecallg\\u0061te"}');
    expect(floor.mayTouch(bytes, 0, bytes.length)).toBe(true);
    const plain = new TextEncoder().encode('{"a":1,"b":2,"city":"Berlin","unit":"celsius"}');
    expect(floor.mayTouch(plain, 0, plain.length)).toBe(false);
  });
});

describe('the envelope that every request of 2026-07-28 carries', () => {
  const key = 'io.modelcontextprotocol/clientInfo';
  const judged = (params: JsonObject): readonly string[] => {
    const scanner = new Scanner();
    expect(scanner.scan(new TextEncoder().encode(JSON.stringify(params)))).toBeUndefined();
    return stringsOf(scanner, 0, envelopeKeys(scanner, 0)).map(({ text }) => text);
  };

  it("has keys that look like paths and are nobody's words", () => {
    expect(
      judged({ name: 't', _meta: { [key]: { name: 'x/y' }, 'io.modelcontextprotocol/protocolVersion': 'v' } }),
    ).toEqual(['name', 't', '_meta', 'name', 'x/y', 'v']);
  });

  it.each<[string, JsonObject]>([
    ['in the arguments', { arguments: { [key]: 1 } }],
    ['in a _meta of the arguments', { arguments: { _meta: { [key]: 1 } } }],
    ['deeper in _meta', { _meta: { a: { [key]: 1 } } }],
    ['as a value', { _meta: { a: key } }],
    ['as the value of itself', { _meta: { [key]: key } }],
    ['in a list', { _meta: [key] }],
  ])('the same words %s are judged', (_where, params) => {
    expect(judged(params)).toContain(key);
  });

  it('other keys of the same prefix are judged', () => {
    expect(judged({ _meta: { 'io.modelcontextprotocol/other': 1, [`${key}/../x`]: 1 } })).toEqual([
      '_meta',
      'io.modelcontextprotocol/other',
      `${key}/../x`,
    ]);
  });
});
