// Builds packages/callgate/dist: cli.js, sealer.js and one lazy chunk for each dynamic import.
//
//   node scripts/build.mjs [--force] [--src DIR] [--out DIR]
//
// Nothing is done when no input has changed since the last build (a hash of the inputs is kept in dist/.inputs).
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const home = join(root, 'packages/callgate');
const { values: flags } = parseArgs({
  options: { force: { type: 'boolean' }, src: { type: 'string' }, out: { type: 'string' } },
});
const src = resolve(flags.src ?? join(home, 'src'));
const out = resolve(flags.out ?? join(home, 'dist'));
const stamp = join(out, '.inputs');
// The build of yaml for Node asks the environment at every token; the other one is the same without that.
const LEAN = { yaml: join(root, 'node_modules/yaml/browser/index.js') };

const inputs = hashOfInputs();
if (!flags.force && existsSync(join(out, 'cli.js')) && existsSync(stamp) && readFileSync(stamp, 'utf8') === inputs)
  process.exit(0);

const started = performance.now();
const chunks = await bundle().catch((error) => {
  process.stderr.write(`build: ${error.message}\n`);
  process.exit(1);
});
publish(chunks);
const bytes = chunks.reduce((sum, chunk) => sum + chunk.code.length, 0);
process.stderr.write(
  `built ${relative(root, out)}: ${chunks.length} files, ${Math.round(bytes / 1024)} KB, ${Math.round(performance.now() - started)} ms\n`,
);

/** A hash over everything the bundle is made of: sources (not tests), manifest, lock and this script. */
function hashOfInputs() {
  const hash = createHash('sha256');
  const sources = readdirSync(src, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes('.test.'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
  const others = [join(home, 'package.json'), join(root, 'package-lock.json'), fileURLToPath(import.meta.url)];
  for (const file of [...sources, ...others]) {
    if (existsSync(file))
      hash
        .update(`${relative(root, file)}\0`)
        .update(readFileSync(file))
        .update('\0');
  }
  return hash.digest('hex');
}

/** The commands, in chunks; and the sealing thread, in one file of its own so that it loads nothing else. */
async function bundle() {
  const { rolldown } = await import('rolldown');
  const shared = {
    platform: 'node',
    external: [/^node:/, '@photostructure/sqlite'],
    resolve: { alias: LEAN },
    transform: { define: { CALLGATE_BUILD: JSON.stringify(inputs) } },
    onLog(level, log) {
      process.stderr.write(`build: ${level}: ${log.message}\n`);
      if (log.code === 'UNRESOLVED_IMPORT') process.exitCode = 1;
    },
  };
  // Flat and without hashes: `new URL('./sealer.js', import.meta.url)` holds from every chunk.
  const names = { format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name].js', comments: false };
  const parts = [
    {
      name: 'cli',
      file: join(src, 'cli/main.ts'),
      output: {
        postBanner: (chunk) => (chunk.isEntry && chunk.name === 'cli' ? '#!/usr/bin/env node' : ''),
        // Each file that is loaded costs about a millisecond. `run` is two: what it takes to judge policy and config, and
        // what is loaded while the server boots.
        codeSplitting: {
          groups: [
            { name: 'cli', test: /[\\/]cli[\\/]main\.ts$/, priority: 2 },
            { name: 'run', test: /[\\/]cli[\\/]run\.ts$/, priority: 1 },
            { name: 'session', test: /[\\/]cli[\\/]session\.ts$/, priority: 0 },
            // By a name of its own, which test/start.test.ts looks for.
            { name: 'yaml', test: /[\\/]node_modules[\\/]yaml[\\/]/, priority: -1 },
          ],
        },
      },
    },
    { name: 'sealer', file: join(src, 'evidence/sealer-worker.ts'), output: { codeSplitting: false } },
  ];
  const files = [];
  for (const { name, file, output } of parts) {
    if (!existsSync(file)) {
      process.stderr.write(`build: entry ${relative(root, file)} is missing, dist/${name}.js is not built\n`);
      continue;
    }
    const build = await rolldown({ ...shared, input: { [name]: file } });
    const made = await build.generate({ ...names, ...output });
    await build.close();
    for (const chunk of made.output) if (chunk.type === 'chunk') files.push({ ...chunk, code: asAscii(chunk.code) });
  }
  return files;
}

/**
 * Other characters as escapes, in texts and patterns alike: a source with a single one of them is held in two bytes a
 * character and loads more slowly. String.raw would show the escapes, so such a file stays as it is.
 */
function asAscii(code) {
  if (code.includes('String.raw')) return code;
  // By units: a pair of surrogates is a pair of escapes.
  return code.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Puts each file in place by rename, so that a program started during a build never reads half a file. */
function publish(files) {
  mkdirSync(out, { recursive: true });
  const kept = new Set(['.inputs', 'THIRD-PARTY-LICENSES.txt']);
  // Entries last: what they import is then already there.
  for (const { fileName, code } of files.toSorted((a, b) => Number(a.isEntry) - Number(b.isEntry))) {
    kept.add(fileName);
    place(fileName, code, fileName === 'cli.js' ? 0o755 : 0o644);
  }
  place('THIRD-PARTY-LICENSES.txt', licencesOf(files), 0o644);
  for (const name of readdirSync(out)) if (!kept.has(name) && name.endsWith('.js')) rmSync(join(out, name));
  if (out === join(home, 'dist'))
    for (const name of ['LICENSE', 'README.md'])
      if (existsSync(join(root, name))) copyFileSync(join(root, name), join(home, name));
  if (!process.exitCode) place('.inputs', inputs, 0o644);
}

function place(name, text, mode) {
  const target = join(out, name);
  const fresh = `${target}.${process.pid}.new`;
  writeFileSync(fresh, text, { mode });
  chmodSync(fresh, mode);
  renameSync(fresh, target);
}

/** The licence texts of the packages that are inside the bundle, as their licences ask. */
function licencesOf(files) {
  const packages = new Map();
  for (const id of files.flatMap((file) => file.moduleIds)) {
    const at = id.lastIndexOf(`${sep}node_modules${sep}`);
    if (at < 0) continue;
    const parts = id.slice(at + 14).split(sep);
    const name = parts[0].startsWith('@') ? `${parts[0]}/${parts[1]}` : parts[0];
    packages.set(name, join(id.slice(0, at + 14), name));
  }
  return [...packages]
    .sort()
    .map(([name, dir]) => {
      const { version, license } = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
      const file = readdirSync(dir).find((entry) => /^licen[cs]e/i.test(entry));
      return `${name} ${version} (${license})\n\n${file ? readFileSync(join(dir, file), 'utf8').trim() : ''}\n`;
    })
    .join('\n----\n\n');
}
