export { connectDaemon, type ConnectOptions, type DaemonClient } from './client.ts';
export { ensureDaemon, type EnsureOptions } from './ensure.ts';
export { daemonPlace, outsideHome } from './place.ts';
export { startDaemon, type Caller, type Daemon, type DaemonParts, type Service } from './server.ts';
export { startResident, type ResidentOptions } from './resident.ts';
export { sessionService } from './services.ts';
