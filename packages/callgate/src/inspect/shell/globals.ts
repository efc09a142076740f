/** Imported before the parser, whose start-up overwrites these globals. */
const shared = globalThis as { require?: unknown };
const errors = Error as { stackTraceLimit?: number };
const before = { limit: errors.stackTraceLimit, hadRequire: Object.hasOwn(shared, 'require'), require: shared.require };

/** Puts `Error.stackTraceLimit` and `globalThis.require` back to what they were. */
export function restoreGlobals(): void {
  if (before.limit !== undefined) errors.stackTraceLimit = before.limit;
  if (before.hadRequire) shared.require = before.require;
  else delete shared.require;
}
