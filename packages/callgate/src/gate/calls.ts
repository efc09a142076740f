import type { Message } from '../protocol/message.ts';
import type { Sender } from '../protocol/methods.ts';
import { besides } from './besides.ts';
import { LiveCall } from './live-call.ts';
import type { Open, Session } from './session.ts';

/** A request or notification as policy sees it. */
export function callOf(session: Session, from: Sender, message: Message): LiveCall {
  const { options, annotations } = session;
  const method = message.method as string;
  const isTool = method === 'tools/call';
  return new LiveCall({
    direction: from === 'client' ? 'call' : 'request',
    server: options.server,
    method,
    tool: isTool ? message.name : undefined,
    prompt: method === 'prompts/get' ? message.name : undefined,
    uri: message.uri,
    principal: options.principal,
    annotations: isTool && message.name !== undefined ? annotations.get(message.name) : undefined,
    memory: session.memory,
    tape: session.tape,
    node: judgedPart(message),
    beside: () => besides(session.tape, message),
  });
}

/**
 * The answer to a request as policy sees it. `body` is the node of its result or error; `message` is what it came in, where
 * that has no other part.
 */
export function answerOf(session: Session, from: Sender, open: Open, body: number, message?: Message): LiveCall {
  const { options, annotations } = session;
  const isTool = open.method === 'tools/call';
  return new LiveCall({
    direction: from === 'server' ? 'result' : 'answer',
    server: options.server,
    method: open.method,
    tool: isTool ? open.name : undefined,
    prompt: open.method === 'prompts/get' ? open.name : undefined,
    uri: open.uri,
    principal: options.principal,
    annotations: isTool && open.name !== undefined ? annotations.get(open.name) : undefined,
    memory: session.memory,
    tape: session.tape,
    node: body,
    ...(message === undefined ? {} : { beside: () => besides(session.tape, message) }),
  });
}

/** A request inside a result as policy sees it. */
export function embeddedCallOf(session: Session, method: string, params: number): LiveCall {
  const { options } = session;
  return new LiveCall({
    direction: 'request',
    server: options.server,
    method,
    tool: undefined,
    prompt: undefined,
    uri: undefined,
    principal: options.principal,
    annotations: undefined,
    memory: session.memory,
    tape: session.tape,
    node: params,
  });
}

/**
 * What a message is judged by: of the call of a tool or prompt its arguments alone, for a member beside them, which no
 * server reads, must not stand in for one.
 */
export function judgedPart(message: Message): number {
  return message.name === undefined ? message.params : message.args;
}
