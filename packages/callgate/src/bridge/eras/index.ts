export { asLegacy, type AsLegacyOptions, type LegacyLimits } from './as-legacy.ts';
export { asModern, type AsModernOptions, type ModernLimits } from './as-modern.ts';
export { systemClock, type Clock } from './clock.ts';
export { lotOf, type Lot } from './parking.ts';
export { probeEra, type EraFound, type EraUnknown, type EraVerdict, type ProbeOptions } from './probe.ts';
export { sealOf, type Seal } from './seal.ts';
