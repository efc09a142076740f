export { mergeServers } from './merge.ts';
export type { NamedServer } from './names.ts';
export type { MergedExchange, MergeLimits, MergeLog, MergeOptions, MemberHealth } from './options.ts';
