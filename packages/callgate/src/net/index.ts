/** Guarded dialling: where Callgate may connect to, and the agent that holds to it. */
export { type AgentOptions, DialRefused, guardedAgent, type Lookup } from './agent.ts';
export { dialGuard, type DialGuard, type OwnPort } from './guard.ts';
export { guardFor, type HttpTarget, ownPort, readTarget } from './target.ts';
