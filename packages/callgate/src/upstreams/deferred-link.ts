import { clauseOf } from '../model/error.ts';
import type { Link, LinkEvents, OpenLink } from './link.ts';

/** What may be sent before it is known where to. */
const MOST_WAITING_BYTES = 16 << 20;

/**
 * A link that is chosen later: what is sent until then waits.
 * @param chosen how to open it; its rejection ends the conversation
 */
export function deferredLink(chosen: Promise<OpenLink>, events: LinkEvents): Link {
  let inner: Link | undefined;
  let waiting: Uint8Array[] = [];
  let bytesWaiting = 0;
  let isClosed = false;
  const opening = chosen.then(
    (open) => {
      if (isClosed) return;
      inner = open(events);
      for (const line of waiting) inner.send(line, 0, line.length);
      waiting = [];
    },
    (error: unknown) => {
      if (!isClosed) events.ended(`cannot be reached: ${clauseOf(error)}`);
      isClosed = true;
    },
  );
  return {
    send(bytes, start, end) {
      if (isClosed) return;
      if (inner !== undefined) return inner.send(bytes, start, end);
      waiting.push(bytes.subarray(start, end));
      bytesWaiting += end - start;
    },
    get isFull() {
      return inner?.isFull ?? bytesWaiting >= MOST_WAITING_BYTES;
    },
    async close() {
      isClosed = true;
      waiting = [];
      await opening;
      await inner?.close();
    },
  };
}
