export { asLegacy } from './as-legacy.ts';
export type { AsLegacyOptions, LegacyLimits } from './legacy-options.ts';
export { asModern } from './as-modern.ts';
export type { AsModernOptions, ModernLimits } from './modern-options.ts';
export { systemClock, type Clock } from './clock.ts';
export { lotOf, type Lot } from './parking.ts';
export { probeEra, type EraFound, type EraUnknown, type EraVerdict, type ProbeOptions } from './probe.ts';
export { sealOf, type Seal } from './seal.ts';
