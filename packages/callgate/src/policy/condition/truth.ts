/** Why a condition can be neither true nor false: something is missing, of the wrong type, or beyond a bound. */
export class Unsure {
  readonly cause: string;
  constructor(cause: string) {
    this.cause = cause;
  }
}

/** Three-valued truth (Kleene): true, false, or an error that says why. */
export type Truth = boolean | Unsure;

/** Kleene "not": an error stays one. */
export function negate(truth: Truth): Truth {
  return typeof truth === 'boolean' ? !truth : truth;
}

/** Kleene "and" of two conditions, the second asked only when the first leaves it open. */
export function both<T>(first: (item: T) => Truth, second: (item: T) => Truth): (item: T) => Truth {
  return (item) => {
    const left = first(item);
    if (left === false) return false;
    const right = second(item);
    return right === false || left === true ? right : left;
  };
}

/** Kleene "all of": one false decides, else one error does, else true. */
export function allTrue<T>(items: readonly T[], test: (item: T) => Truth): Truth {
  let unsure: Unsure | undefined;
  for (const item of items) {
    const truth = test(item);
    if (truth === false) return false;
    if (truth !== true) unsure ??= truth;
  }
  return unsure ?? true;
}

/** Kleene "any of": one true decides, else one error does, else false. */
export function anyTrue<T>(items: readonly T[], test: (item: T) => Truth): Truth {
  let unsure: Unsure | undefined;
  for (const item of items) {
    const truth = test(item);
    if (truth === true) return true;
    if (truth !== false) unsure ??= truth;
  }
  return unsure ?? false;
}
