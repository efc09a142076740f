import { readMessage, type Message } from '../../protocol/message.ts';
import type { Scanner } from '../../protocol/scan.ts';
import { textOfHeader } from '../../upstreams/http-headers.ts';
import { DeclaredHeaders } from '../../upstreams/http-tools.ts';
import type { Head } from './head.ts';

const KEY = Buffer.from('x-mcp-header');
const NONE: ReadonlyMap<string, string> = new Map();
const DECIMAL = /^-?\d{1,17}(?:\.\d{1,17})?$/;

/**
 * Holds arguments to the headers that repeat them (2026-07-28, `x-mcp-header`), as far as the lists that this principal was
 * given have said which: whoever stands before us may have gone by the headers, and the server goes by the message.
 */
export class ParamHeaders {
  #declared: DeclaredHeaders | undefined;

  /** Reads an answer to `tools/list`, if it matters. */
  learn(scanner: Scanner, line: Uint8Array): void {
    const bytes = Buffer.from(line.buffer, line.byteOffset, line.length);
    if (this.#declared === undefined && !bytes.includes(KEY)) return;
    const message = readMessage(scanner, line, 0, line.length);
    if ('refused' in message || message.result < 0) return;
    this.#declared ??= new DeclaredHeaders();
    this.#declared.learn(scanner, message.result, false);
  }

  /** What the headers of a call of a tool say otherwise than its arguments; undefined when nothing. */
  problem(tape: Scanner, message: Message, head: Head): string | undefined {
    if (this.#declared === undefined || message.name === undefined) return undefined;
    const wanted: string[] = [];
    this.#declared.add(wanted, message.name, tape, message.args);
    const said = head.params ?? NONE;
    for (let i = 0; i < wanted.length; i += 2) {
      const name = wanted[i] as string;
      const value = said.get(name.toLowerCase());
      if (value === undefined) return `The header ${name} is missing.`;
      const decoded = textOfHeader(value);
      if (decoded === undefined) return `The header ${name} is not encoded as it should be.`;
      if (!isSame(decoded, textOfHeader(wanted[i + 1] as string) as string)) {
        return `The header ${name} says otherwise than the message.`;
      }
    }
    return undefined;
  }
}

/** `42.0` is `42`. */
function isSame(one: string, other: string): boolean {
  return one === other || (DECIMAL.test(one) && DECIMAL.test(other) && Number(one) === Number(other));
}
