const MOST = 10_000;
const LONGEST_ID = 1024;

/** Which server has which task. A task stays with the first that named it: no other can take what is sent to it. */
export class TaskOwners {
  readonly #owners = new Map<string, number>();

  /** @returns false when it is another server's, or cannot be kept */
  claim(taskId: string, server: number): boolean {
    if (taskId.length > LONGEST_ID) return false;
    const owner = this.#owners.get(taskId);
    if (owner !== undefined) return owner === server;
    if (this.#owners.size >= MOST) this.#owners.delete(this.#owners.keys().next().value as string);
    this.#owners.set(taskId, server);
    return true;
  }

  ownerOf(taskId: string): number | undefined {
    return this.#owners.get(taskId);
  }
}
