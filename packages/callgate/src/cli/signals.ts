/** By which a terminal or a client ends what it started. */
export const ENDING_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

const NUMBERS: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

/** The exit code of what a signal has ended: 128 + its number. */
export function exitCodeAfter(signal: NodeJS.Signals | null): number {
  return 128 + ((signal === null ? undefined : NUMBERS[signal]) ?? 0);
}
