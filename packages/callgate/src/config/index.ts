export { documentCache } from './document-cache.ts';
export { openHome } from './home.ts';
export type { Config, ConfigRequest, PolicySource, ServerConfig, Source } from './config.ts';
export { loadConfig } from './load.ts';
export { policyVariables, resolvePolicy } from './policies.ts';
export type { ResolvedPolicy } from './policies.ts';
export { trustState } from './trust.ts';
export { watchFiles } from './watch.ts';
export type { FileWatch } from './watch.ts';
