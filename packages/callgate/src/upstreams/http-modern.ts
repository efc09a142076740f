import { HEADER_MISMATCH } from '../protocol/codes.ts';
import { numberMember, textMember } from '../protocol/members.ts';
import { readMessage, type Message } from '../protocol/message.ts';
import { CLIENT_CAPABILITIES, CLIENT_INFO, PROTOCOL_VERSION } from '../protocol/meta-keys.ts';
import { quoted } from '../protocol/splice.ts';
import { member } from '../protocol/tape.ts';
import { decodeUtf8, encodeUtf8 } from '../protocol/text.ts';
import { HttpAnswer } from './http-answer.ts';
import { type Call, callOf, Calls, tape } from './http-calls.ts';
import { headerValue, NAMED_BY } from './http-headers.ts';
import { DeclaredHeaders } from './http-tools.ts';
import type { Wire } from './http-wire.ts';
import type { Link, LinkEvents } from './link.ts';

const PASSED_ON = [PROTOCOL_VERSION, CLIENT_INFO, CLIENT_CAPABILITIES];
/** Notifications at the server at once. */
const MOST_NOTES = 256;
/** Pages of a list that the link asks for itself. */
const MOST_PAGES = 20;
/** A list that could not be had is not asked for again at every call. */
const LIST_AGAIN_MS = 60_000;

/** Speaks 2026-07-28: each request stands for itself, and tells in headers what it is. */
export class ModernLink implements Link {
  readonly #wire: Wire;
  readonly #calls: Calls;
  readonly #tools = new DeclaredHeaders();
  /** Calls that wait for the list of tools, which is under way. */
  #awaitingList: Call[] | undefined;
  /** The revision of the last request, for notifications, which need not say it. */
  #version: string | undefined;
  readonly #notes = new Set<HttpAnswer<undefined>>();
  #listedAt = -Infinity;
  #listed = 0;
  /** Lists that were asked for from their beginning. */
  readonly #firstPages = new WeakSet<Call>();
  /** The request that is being sent, while the tape holds it. */
  #inHand: Message | undefined;

  constructor(wire: Wire, events: LinkEvents) {
    this.#wire = wire;
    this.#calls = new Calls(wire, events, {
      ready: (call) => this.#ready(call),
      answered: (call, message) => {
        if (call.method === 'tools/list' && message.result >= 0)
          this.#tools.learn(tape, message.result, this.#firstPages.has(call));
        else if (call.method === 'tools/call' && message.error >= 0) this.#checkMismatch(message);
      },
      unfinished: () => false,
      closed: () => undefined,
      isFinal: () => false,
    });
  }

  get isFull(): boolean {
    return this.#calls.isFull;
  }

  /** A server of this era asks nothing, so that answers have no way to it: they are dropped. */
  send(bytes: Uint8Array, start: number, end: number): void {
    const message = readMessage(tape, bytes, start, end);
    if ('refused' in message) return this.#calls.unreadable(message);
    if (message.kind === 'request') {
      this.#inHand = message;
      this.#calls.open(callOf(message, bytes.subarray(start, end)));
      this.#inHand = undefined;
    } else if (message.cancelled !== undefined) this.#calls.forget(message.cancelled, 0);
    else if (message.kind === 'notification') this.#notify(message, bytes.subarray(start, end));
  }

  close(): Promise<void> {
    this.#calls.close();
    for (const note of this.#notes) note.stop();
    return Promise.resolve();
  }

  /** A call that had to wait is read again: the tape holds another message by now. */
  #ready(call: Call): void {
    const isInHand = this.#inHand !== undefined && this.#inHand.id === call.id;
    const message = isInHand ? this.#inHand! : readMessage(tape, call.body, 0, call.body.length);
    if ('refused' in message) return;
    const tool = call.method === 'tools/call' ? message.name : undefined;
    if (tool !== undefined && !this.#tools.knows(tool) && performance.now() - this.#listedAt > LIST_AGAIN_MS) {
      return this.#askForTools(call, message);
    }
    this.#dispatch(call, message);
  }

  #notify(message: Message, body: Uint8Array): void {
    if (this.#notes.size >= MOST_NOTES) return;
    const headers = this.#wire.postHeaders();
    const version = message.protocolVersion ?? this.#version;
    if (version !== undefined) headers.push('mcp-protocol-version', headerValue(version));
    headers.push('mcp-method', headerValue(message.method!));
    const taker = { message: () => undefined, oversize: () => undefined, done: () => void this.#notes.delete(note) };
    const note = new HttpAnswer<undefined>('nothing', 0, taker, undefined);
    this.#notes.add(note);
    this.#wire.begin('POST', headers, body, note);
  }

  #dispatch(call: Call, message: Message): void {
    const { method } = call;
    const headers = this.#wire.postHeaders();
    this.#version = message.protocolVersion ?? this.#version;
    if (message.protocolVersion !== undefined)
      headers.push('mcp-protocol-version', headerValue(message.protocolVersion));
    headers.push('mcp-method', headerValue(method));
    const source = NAMED_BY.get(method);
    const name = source === undefined ? undefined : textMember(tape, message.params, source);
    if (name !== undefined) headers.push('mcp-name', headerValue(name));
    if (method === 'tools/call') this.#tools.add(headers, message.name!, tape, message.args);
    if (method === 'tools/list' && call.own === undefined && member(tape, message.params, 'cursor') < 0)
      this.#firstPages.add(call);
    call.headers = headers;
    this.#calls.dispatch(call);
  }

  /** The server wants other headers than its list said: the list is asked for anew before the next call. */
  #checkMismatch(message: Message): void {
    if (numberMember(tape, message.error, 'code') !== HEADER_MISMATCH) return;
    this.#tools.forget();
    this.#listedAt = -Infinity;
  }

  /** Asks for the list of tools in the name of the call that needs it. */
  #askForTools(call: Call, message: Message): void {
    if (this.#awaitingList !== undefined) return void this.#awaitingList.push(call);
    this.#awaitingList = [call];
    const meta = member(tape, message.params, '_meta');
    const kept = PASSED_ON.flatMap((key) => {
      const node = member(tape, meta, key);
      return node < 0 ? [] : [`${quoted(key)}:${decodeUtf8(tape.bytes, tape.starts[node], tape.ends[node])}`];
    });
    this.#askForPage(`"_meta":{${kept.join(',')}}`, undefined, MOST_PAGES);
  }

  #askForPage(meta: string, cursor: string | undefined, pagesLeft: number): void {
    const more = cursor === undefined ? '' : `,"cursor":${quoted(cursor)}`;
    const id = `callgate-tools-${++this.#listed}`;
    const body = encodeUtf8(`{"jsonrpc":"2.0","id":"${id}","method":"tools/list","params":{${meta}${more}}}`);
    const asked = readMessage(tape, body, 0, body.length);
    if ('refused' in asked) return this.#haveTools();
    const page = callOf(asked, body, (answer) => {
      const hasPage = answer !== undefined && answer.result >= 0;
      const next = hasPage ? this.#tools.learn(tape, answer.result, cursor === undefined) : undefined;
      if (next === undefined || pagesLeft <= 1) this.#haveTools();
      else this.#askForPage(meta, next, pagesLeft - 1);
    });
    this.#calls.start(page);
  }

  /** The list came, or will not: the calls go with what is known. */
  #haveTools(): void {
    this.#listedAt = performance.now();
    const waiting = this.#awaitingList ?? [];
    this.#awaitingList = undefined;
    for (const call of waiting) this.#ready(call);
  }
}
