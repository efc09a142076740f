/** The word of `known` nearest to `word`, or undefined when none is near enough to be meant. */
export function nearest(word: string, known: Iterable<string>, most = 4): string | undefined {
  const typed = fold(word);
  const reach = Math.min(most, Math.max(1, Math.floor(typed.length / 3)));
  let best: string | undefined;
  let bestDistance = reach + 1;
  for (const candidate of known) {
    const target = fold(candidate);
    if (Math.abs(target.length - typed.length) >= bestDistance) continue;
    const distance = editDistance(typed, target);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** ` Did you mean "x"?` or nothing, to be put behind a sentence. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const guess = nearest(word.slice(0, 64), known);
  return guess === undefined ? '' : ` Did you mean "${guess}"?`;
}

/** `did you mean "x"?`, or the list of what is possible. */
export function suggest(word: string, known: readonly string[], alias?: string): string {
  const hit = alias ?? nearest(word, known);
  if (hit !== undefined) return `did you mean "${hit}"?`;
  return `known here: ${known.join(', ')}`;
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll('_', '').replaceAll('-', '');
}

/** Damerau-Levenshtein with neighbouring swaps (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
