// What Linux says about a process: nanoseconds on CPU and resident memory.
import { readFileSync, readdirSync } from 'node:fs';

/** CPU time of a process since its start, all threads and the main thread alone, in µs. */
export function cpuOf(pid) {
  let all = 0;
  let main = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    const us = onCpu(`/proc/${pid}/task/${tid}/schedstat`);
    all += us;
    if (Number(tid) === pid) main = us;
  }
  return { all, main };
}

function onCpu(file) {
  try {
    return Number(readFileSync(file, 'latin1').split(' ')[0]) / 1000;
  } catch {
    return 0;
  }
}

/** Resident memory in MB. */
export const rssOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;

/** The value below which the share `p` of the sorted values lies. */
export const quantile = (sorted, p) =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1))];
export function median(values) {
  const sorted = Float64Array.from(values).sort();
  return (quantile(sorted, 0.5) + sorted[Math.floor(sorted.length / 2)]) / 2;
}
