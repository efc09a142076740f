/** So many entries each call looks at: old ones leave as fast as new ones come, and no call waits for all of them. */
export const SWEEP_AT_ONCE = 16;

/** A walk around `entries`, a few steps each time, that drops what has expired. */
export function sweepOf<T extends { readonly expires: number }>(entries: Map<string, T>): (clock: number) => void {
  let walk = entries.entries();
  return (clock) => {
    for (let step = 0; step < SWEEP_AT_ONCE; step++) {
      const next = walk.next();
      if (next.done === true) {
        walk = entries.entries();
        return;
      }
      if (next.value[1].expires <= clock) entries.delete(next.value[0]);
    }
  };
}

/**
 * Makes room for all of `names`, before any is entered: drops what has expired if need be. What was dropped in between
 * would be counted into an entry that nobody sees.
 * @returns whether there is room.
 */
export function makeRoom<T extends { readonly expires: number }>(
  entries: Map<string, T>,
  names: readonly string[],
  most: number,
  clock: number,
): boolean {
  const fits = (): boolean => entries.size + names.filter((name) => !entries.has(name)).length <= most;
  if (fits()) return true;
  for (const [name, entry] of entries) if (entry.expires <= clock) entries.delete(name);
  return fits();
}
