/** Guarded dialling: where Callgate may connect to, and the agent that holds to it. */
export { type AgentOptions, guardedAgent, type Lookup } from './agent.ts';
export { type DialGuard } from './guard.ts';
export { guardFor, type HttpTarget, readTarget } from './target.ts';
