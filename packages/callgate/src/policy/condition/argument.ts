import type { Call } from '../../model/call.ts';
import type { Json } from '../../model/json.ts';
import { isObject } from './field.ts';

/** A top-level field of the arguments (or of the result); undefined when it is missing. */
export type ArgumentLookup = (call: Call) => Json | undefined;

/**
 * Top-level fields, shared by all rules of a policy: each is looked up once for a decision, however many rules ask.
 * `forget` must run when a decision is made, so that nothing of a call is kept or taken for another call's.
 */
export interface Arguments {
  readonly lookup: (key: string) => ArgumentLookup;
  readonly forget: () => void;
}

interface Slot {
  known: boolean;
  value: Json | undefined;
}

export function openArguments(): Arguments {
  const lookups = new Map<string, ArgumentLookup>();
  const touched: Slot[] = [];
  return {
    lookup(key) {
      let lookup = lookups.get(key);
      if (lookup === undefined) lookups.set(key, (lookup = openLookup(key, touched)));
      return lookup;
    },
    forget() {
      for (let slot = touched.pop(); slot !== undefined; slot = touched.pop()) {
        slot.known = false;
        slot.value = undefined;
      }
    },
  };
}

function openLookup(key: string, touched: Slot[]): ArgumentLookup {
  const slot: Slot = { known: false, value: undefined };
  return (call) => {
    if (slot.known) return slot.value;
    const args = call.args();
    slot.value = isObject(args) && Object.hasOwn(args, key) ? args[key] : undefined;
    slot.known = true;
    touched.push(slot);
    return slot.value;
  };
}
