import type { NodePath } from './document-types.ts';
import type { Report } from '../condition/scope.ts';

const LOOKS_LIKE_ID = /^(?:(?:asi|mcp)[\s_.-]*\d+|aisvs(?:[\s_.-]*\d.*)?)$/i;
const FRAMEWORK_ID = /^(?:ASI|MCP)(?:0[1-9]|10)$|^AISVS-[1-9]\d?\.[1-9]\d?\.[1-9]\d?$/;

/**
 * Reports tags that look like the id of a framework and are none: a mistyped one would be missing in reports. The ids are
 * those of the OWASP lists for agents (ASI01 to ASI10) and for MCP (MCP01 to MCP10), and of OWASP AISVS (AISVS-2.1.3).
 */
export function checkTags(tags: readonly string[], path: NodePath, reportAt: (path: NodePath) => Report): void {
  for (const [index, tag] of tags.entries()) {
    if (!LOOKS_LIKE_ID.test(tag.slice(0, 100)) || FRAMEWORK_ID.test(tag)) continue;
    reportAt([...path, index])('CG_POLICY_TAG', `no framework has an id "${tag}"`, remedyFor(tag));
  }
}

function remedyFor(tag: string): string {
  const letters = /^[a-z]+/i.exec(tag)?.[0].toUpperCase() ?? '';
  const digits = tag.match(/\d+/g) ?? [];
  const guess =
    letters === 'AISVS'
      ? `AISVS-${digits.map(Number).join('.')}`
      : `${letters}${String(Number(digits[0])).padStart(2, '0')}`;
  return FRAMEWORK_ID.test(guess)
    ? `write ${guess}`
    : 'known are ASI01 to ASI10, MCP01 to MCP10 and AISVS-<chapter>.<section>.<item>';
}
