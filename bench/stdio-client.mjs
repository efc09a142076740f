// One round of one target: start it, list tools, call it one at a time, then with many in flight. Every answer is checked.
import { spawn } from 'node:child_process';
import { cpuOf, quantile, rssOf } from './proc.mjs';

/**
 * @param {{ name: string, command: string[], env?: object }} target
 * @param {{ warmup: number, sequential: number, pipelined: number, inFlight: number, paths?: string[], onProgress?: (done: number, rssMb: number) => void }} load
 * @returns figures in µs, calls a second, MB and ms; throws when an answer is wrong or the target dies
 */
export async function runRound(target, load) {
  const started = performance.now();
  const [file, ...args] = target.command;
  const child = spawn(file, args, { env: { ...process.env, ...target.env }, stdio: ['pipe', 'pipe', 'pipe'] });
  const peer = lines(child, target.name);
  try {
    await peer.request(0, 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: {},
      clientInfo: { name: 'bench', version: '1' },
    });
    peer.send('{"jsonrpc":"2.0","method":"notifications/initialized"}\n');
    const list = await peer.request(1, 'tools/list', {});
    const startMs = performance.now() - started;
    if (!list.includes('"echo"')) throw new Error(`${target.name} lists no echo: ${list.slice(0, 200)}`);
    let next = 1000;
    const calls = async (count, inFlight, onProgress) => {
      const first = next;
      next += count;
      return callMany(peer, { first, count, inFlight, paths: load.paths, onProgress });
    };
    await calls(load.warmup, 1);
    const sequential = load.sequential > 0 ? (await calls(load.sequential, 1)).latencies.sort() : undefined;
    await calls(load.warmup * 2, load.inFlight);
    const before = cpuOf(child.pid);
    const { seconds } = await calls(
      load.pipelined,
      load.inFlight,
      load.onProgress && ((done) => load.onProgress(done, rssOf(child.pid))),
    );
    const after = cpuOf(child.pid);
    return {
      startMs,
      p50: sequential && quantile(sequential, 0.5),
      p99: sequential && quantile(sequential, 0.99),
      perSecond: load.pipelined / seconds,
      cpuUs: (after.all - before.all) / load.pipelined,
      mainUs: (after.main - before.main) / load.pipelined,
      rssMb: rssOf(child.pid),
    };
  } finally {
    await peer.end();
  }
}

/** Calls `echo` with ids from `first` on, `inFlight` at a time; each call names one of `paths`, if given. */
async function callMany(peer, { first, count, inFlight, paths, onProgress }) {
  const latencies = new Float64Array(count);
  const sentAt = new Float64Array(count);
  let sent = 0;
  let done = 0;
  const started = performance.now();
  await new Promise((resolve, reject) => {
    const fire = (upTo) => {
      let out = '';
      for (; sent < upTo; sent++) {
        const id = first + sent;
        const path = paths ? `,"path":"${paths[id % paths.length]}"` : '';
        out += `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello ${id}","city":"Bonn","amount":${id % 100},"note":"a call of about two hundred bytes"${path}}}}\n`;
        sentAt[sent] = performance.now();
      }
      if (out !== '') peer.send(out);
    };
    peer.listen(
      (line) => {
        const id = Number(/"id":(\d+)/.exec(line)?.[1]);
        const at = id - first;
        if (!(at >= 0 && at < count) || !line.includes(`"Echo: hello ${id}"`))
          return reject(new Error(`wrong answer: ${line.slice(0, 300)}`));
        latencies[at] = (performance.now() - sentAt[at]) * 1000;
        done++;
        if (onProgress && done % 50_000 === 0) onProgress(done);
        if (done === count) resolve();
      },
      () => fire(Math.min(count, done + inFlight)),
      reject,
    );
    fire(Math.min(count, inFlight));
  });
  peer.listen(undefined);
  return { latencies, seconds: (performance.now() - started) / 1000 };
}

function lines(child, name) {
  let rest = '';
  let onLine;
  let onBatch;
  let onDeath;
  let errors = '';
  child.stdout.setEncoding('utf8');
  child.stderr.on('data', (chunk) => (errors = (errors + chunk).slice(-2000)));
  child.stdin.on('error', () => {});
  const ended = new Promise((resolve) => {
    child.once('close', (code) => {
      onDeath?.(new Error(`${name} ended with ${code}: ${errors}`));
      resolve();
    });
  });
  child.stdout.on('data', (chunk) => {
    const text = rest + chunk;
    let start = 0;
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', start)) {
      const line = text.slice(start, at);
      start = at + 1;
      onLine?.(line);
    }
    rest = text.slice(start);
    onBatch?.();
  });
  const peer = {
    send: (text) => child.stdin.write(text),
    listen(line, batch, death) {
      [onLine, onBatch, onDeath] = [line, batch, death];
    },
    async request(id, method, params) {
      return new Promise((resolve, reject) => {
        peer.listen((line) => line.includes(`"id":${id}`) && resolve(line), undefined, reject);
        peer.send(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
      });
    },
    async end() {
      peer.listen(undefined);
      child.stdin.end();
      const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
      await ended;
      clearTimeout(timer);
    },
  };
  return peer;
}
