import type { Id } from '../protocol/correlate.ts';
import { readMessage } from '../protocol/message.ts';
import { Scanner, type ScanLimits } from '../protocol/scan.ts';
import { deferredLink } from '../upstreams/deferred-link.ts';
import type { Link, LinkEvents, OpenLink } from '../upstreams/link.ts';

/**
 * A link to a server that nobody has talked to yet: the client's first request, its `initialize`, is tried as it is. When the
 * server will have none of it, the conversation goes on over another link, if there is one, with that request said again.
 * @param legacy the link that is tried
 * @param verdict told whether it worked; when it did not, what to go on with, or undefined when the failure stands
 * @param scan bounds of a message, as the judge's: what it let pass is read here
 */
export function legacyFirst(
  legacy: OpenLink,
  verdict: (worked: boolean) => Promise<OpenLink | undefined>,
  events: LinkEvents,
  scan: ScanLimits = {},
): Link {
  let first: { readonly id: Id; readonly line: Uint8Array } | undefined;
  let isDecided = false;
  let isClosed = false;
  /** How the first link ended while it is found out how to go on. */
  let howEnded: string | undefined;
  let isDeciding = false;
  let link: Link;

  /** The first request failed: `stands` tells the client so, unless there is another way. */
  const failed = (stands: () => void): void => {
    isDecided = isDeciding = true;
    const request = first?.line;
    const before = link;
    const instead = verdict(false)
      .catch(() => undefined)
      .then((open) => {
        isDeciding = false;
        if (open === undefined && !isClosed) stands();
        if (open === undefined && !isClosed && howEnded !== undefined) events.ended(howEnded);
        // Nobody takes the first link over: there is another, or the client has left, perhaps on hearing this.
        if (open !== undefined || isClosed) void before.close();
        return open;
      });
    // The request goes first, before whatever the client has sent meanwhile.
    const again: (open: OpenLink) => OpenLink = (open) => (told) => {
      const other = open(told);
      if (request !== undefined && !isClosed) other.send(request, 0, request.length);
      return other;
    };
    link = deferredLink(
      instead.then((open) => (open === undefined ? () => before : again(open))),
      events,
    );
  };
  const isFirst = (id: Id | undefined): boolean => !isDecided && first !== undefined && id === first.id;

  const tried = closedOnce(
    legacy({
      ...events,
      message(bytes, start, end, about) {
        if (isDecided) return events.message(bytes, start, end, about);
        const answer = readMessage(new Scanner(scan), bytes, start, end);
        const pass = () => events.message(bytes, start, end, about);
        if ('refused' in answer || !isFirst(answer.id)) return pass();
        if (answer.kind === 'error') return failed(pass);
        isDecided = true;
        void verdict(true);
        pass();
      },
      failed(id, failure) {
        if (isFirst(id) && failure.kind === 'refused') failed(() => events.failed(id, failure));
        else events.failed(id, failure);
      },
      ended(how) {
        // With another link the conversation goes on.
        if (isDeciding) return void (howEnded = how);
        if (isDecided || first === undefined) return events.ended(how);
        failed(() => events.ended(how));
      },
    }),
  );
  link = tried;
  return {
    send(bytes, start, end) {
      if (first === undefined) {
        const message = readMessage(new Scanner(scan), bytes, start, end);
        if (!('refused' in message) && message.kind === 'request' && message.id !== undefined)
          first = { id: message.id, line: bytes.slice(start, end) };
      }
      link.send(bytes, start, end);
    },
    get isFull() {
      return link.isFull;
    },
    async close() {
      isClosed = true;
      // What was tried first may be nobody's by now: its failure stood, and the client left on hearing it.
      await Promise.all([link.close(), tried.close()]);
    },
  };
}

/** A link that may be closed by everybody who might have to. */
function closedOnce(link: Link): Link {
  let closing: Promise<void> | undefined;
  return {
    send: (bytes, start, end) => link.send(bytes, start, end),
    get isFull() {
      return link.isFull;
    },
    close: () => (closing ??= link.close()),
  };
}
