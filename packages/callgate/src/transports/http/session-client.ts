import type { Id } from '../../protocol/correlate.ts';
import { type Call, Client } from './call.ts';

/** A client that has a session to itself, so that its own ids tell its requests apart. */
export abstract class SessionClient extends Client {
  readonly #byId = new Map<Id, Call>();

  isOpenId(id: Id): boolean {
    return this.#byId.has(id);
  }

  /** The number of an open request. */
  numberOf(id: Id): number | undefined {
    return this.#byId.get(id)?.number;
  }

  override begin(...of: Parameters<Client['begin']>): Call {
    const call = super.begin(...of);
    // Its answer may have come at once.
    if (this.calls.has(call.number)) this.#byId.set(call.id, call);
    return call;
  }

  override finish(call: Call): void {
    super.finish(call);
    this.#byId.delete(call.id);
  }
}
