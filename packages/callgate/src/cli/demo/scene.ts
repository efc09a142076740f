import { mkdirSync, mkdtempSync, realpathSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The files the demo plays with, all below one temporary directory. */
export interface Scene {
  readonly root: string;
  readonly project: string;
  readonly home: string;
  readonly policy: string;
}

/** One call of the demo, and what it is to show. */
export interface Step {
  readonly server: 'files' | 'everything';
  readonly tool: string;
  readonly args: Readonly<Record<string, string | number>>;
  readonly shown: string;
  /** What it has to come to. */
  readonly expect: 'allowed' | 'denied' | 'asked' | 'redacted';
}

const POLICY = `# The demo's policy: default deny, and a reason for each exception.
version: 1
default: deny
rules:
  - id: read-project
    match: { server: files, tool: [read_text_file, list_directory] }
    args:
      path: { under: ["\${PROJECT}"] }
    effect: allow

  - id: write-asks
    match: { server: files, tool: [write_file, edit_file, move_file] }
    effect: ask
    reason: Changing files is for a person to approve.

  - id: harmless
    match: { server: everything, tool: [echo, get-sum] }
    effect: allow
    obligations:
      - rate: { max: 3, per: 1m, key: [rule] }

  - id: no-environment
    match: { tool: get-env }
    effect: deny
    reason: The environment holds credentials.

  - id: strip-secrets
    match: { direction: result }
    obligations:
      - redact: { classes: [secret] }
`;

/** Makes the scene: a project with one planted (invented) key, an empty home, a policy. */
export function makeScene(): Scene {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'callgate-demo-')));
  const project = join(root, 'project');
  const home = join(root, 'home');
  const policy = join(root, 'policy.yaml');
  mkdirSync(project);
  writeFileSync(join(project, 'README.md'), '# Shop\nA small web shop.\n');
  // Assembled, so that no scanner takes this source for a leak.
  writeFileSync(join(project, 'deploy.env'), `REGION=eu-west-1\nAWS_ACCESS_KEY_ID=${'AKIA'}${'Q7Z2M4X9P1T6W3RB'}\n`);
  writeFileSync(policy, POLICY);
  return { root, project, home, policy };
}

/** The calls, in order. */
export function steps(scene: Scene): Step[] {
  const { project, home } = scene;
  return [
    { server: 'files', tool: 'list_directory', args: { path: project }, shown: '.', expect: 'allowed' },
    {
      server: 'files',
      tool: 'read_text_file',
      args: { path: join(project, 'README.md') },
      shown: 'README.md',
      expect: 'allowed',
    },
    {
      server: 'files',
      tool: 'read_text_file',
      args: { path: join(project, 'deploy.env') },
      shown: 'deploy.env',
      expect: 'redacted',
    },
    {
      server: 'files',
      tool: 'read_text_file',
      args: { path: `${project}/../policy.yaml` },
      shown: '../policy.yaml',
      expect: 'denied',
    },
    { server: 'files', tool: 'read_text_file', args: { path: '/etc/passwd' }, shown: '/etc/passwd', expect: 'denied' },
    {
      server: 'files',
      tool: 'write_file',
      args: { path: join(project, 'README.md'), content: 'new' },
      shown: 'README.md',
      expect: 'asked',
    },
    {
      server: 'files',
      tool: 'list_directory',
      args: { path: join(home, 'keys') },
      shown: '<home>/keys',
      expect: 'denied',
    },
    { server: 'everything', tool: 'echo', args: { message: 'hello' }, shown: 'hello', expect: 'allowed' },
    { server: 'everything', tool: 'get-sum', args: { a: 2, b: 3 }, shown: '2 + 3', expect: 'allowed' },
    { server: 'everything', tool: 'get-env', args: {}, shown: '', expect: 'denied' },
    {
      server: 'everything',
      tool: 'echo',
      args: { message: 'again' },
      shown: 'third call in a minute',
      expect: 'allowed',
    },
    {
      server: 'everything',
      tool: 'echo',
      args: { message: 'more' },
      shown: 'fourth call in a minute',
      expect: 'denied',
    },
  ];
}
