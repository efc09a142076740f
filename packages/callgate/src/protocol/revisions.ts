/** The revisions of the Model Context Protocol, oldest first. */
export const REVISIONS: readonly string[] = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'];

/** The last revision with sessions, which begin with `initialize`. */
export const NEWEST_LEGACY = '2025-11-25';
/** The first one without: each request says in its `_meta` who sends it. */
export const MODERN_REVISION = '2026-07-28';

export const LEGACY_REVISIONS = REVISIONS.filter((revision) => revision < MODERN_REVISION);
export const MODERN_REVISIONS = REVISIONS.filter((revision) => revision >= MODERN_REVISION);
