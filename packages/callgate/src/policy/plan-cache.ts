import type { Named } from './target.ts';

/** Plans kept beside those for names that the policy spells out. */
export const MAX_PLANS = 4_096;
/** Longer names are not worth keeping. */
const MAX_KEPT_NAME = 512;

type ByName<T> = Map<string | undefined, T>;
type Tree<T> = Map<string, Map<string, Map<string, ByName<T>>>>;

/** Remembers what was worked out for a message's names, in bounded memory whatever names are sent. */
export interface PlanCache<T> {
  get(named: Named): T | undefined;
  set(named: Named, plan: T): void;
  readonly size: () => number;
}

/**
 * Two generations: when the young one is full it becomes the old one, and what is asked for again moves back. `known` is
 * how many names the policy spells out; they come on top of MAX_PLANS.
 */
export function openPlanCache<T>(known: number): PlanCache<T> {
  const half = MAX_PLANS / 2 + known;
  let young: Tree<T> = new Map();
  let old: Tree<T> = new Map();
  let youngSize = 0;
  let oldSize = 0;

  // Calls come in runs to one server: its branch is remembered, so that a lookup is one search by name.
  let branch: ByName<T> = new Map();
  let branchDirection = '';
  let branchServer = '';
  let branchMethod = '';

  const keep = (named: Named, plan: T): void => {
    branchDirection = '';
    if (youngSize >= half) {
      old = young;
      oldSize = youngSize;
      young = new Map();
      youngSize = 0;
    }
    put(young, named, plan);
    youngSize++;
  };
  return {
    get(named) {
      if (named.method === branchMethod && named.direction === branchDirection && named.server === branchServer) {
        const quick = branch.get(nameOf(named));
        if (quick !== undefined) return quick;
      }
      const names = young.get(named.direction)?.get(named.server)?.get(named.method);
      const hit = names?.get(nameOf(named));
      if (hit !== undefined && names !== undefined) {
        branch = names;
        branchDirection = named.direction;
        branchServer = named.server;
        branchMethod = named.method;
        return hit;
      }
      if (oldSize === 0) return undefined;
      const aged = find(old, named);
      if (aged !== undefined) keep(named, aged);
      return aged;
    },
    set(named, plan) {
      if (
        (nameOf(named)?.length ?? 0) <= MAX_KEPT_NAME &&
        named.method.length <= MAX_KEPT_NAME &&
        named.server.length <= MAX_KEPT_NAME
      )
        keep(named, plan);
    },
    size: () => youngSize + oldSize,
  };
}

function nameOf(named: Named): string | undefined {
  return named.tool ?? named.prompt ?? named.uri;
}

function find<T>(tree: Tree<T>, named: Named): T | undefined {
  return tree.get(named.direction)?.get(named.server)?.get(named.method)?.get(nameOf(named));
}

function put<T>(tree: Tree<T>, named: Named, plan: T): void {
  let servers = tree.get(named.direction);
  if (servers === undefined) tree.set(named.direction, (servers = new Map()));
  let methods = servers.get(named.server);
  if (methods === undefined) servers.set(named.server, (methods = new Map()));
  let names = methods.get(named.method);
  if (names === undefined) methods.set(named.method, (names = new Map()));
  names.set(nameOf(named), plan);
}
