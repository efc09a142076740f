import type { Combine } from './document/document-types.ts';
import type { PolicyDocument } from './document/document.ts';
import type { Issue } from './document/issue.ts';
import { unreachableRules } from './reachable.ts';
import type { CompiledRule } from './rule.ts';

/** A rule and where it stands. */
export interface PlacedRule {
  readonly rule: CompiledRule;
  readonly document: PolicyDocument;
  /** In the document. */
  readonly index: number;
  readonly priority: number;
}

/**
 * What a key of the whole policy says: files named together must agree, a parent's holds where its child is silent, an
 * import's never.
 */
export function documentKey<K extends 'default' | 'combine' | 'mode'>(
  documents: readonly PolicyDocument[],
  key: K,
  issues: Issue[],
): PolicyDocument['policy'][K] | undefined {
  const speaking = documents.filter(({ policy, part }) => part !== 'import' && policy[key] !== undefined);
  const own = speaking.filter(({ part }) => part === undefined);
  const [first] = own;
  for (const document of own) {
    const here = document.policy[key];
    if (here === first?.policy[key]) continue;
    const message = `${key} is ${String(here)} here and ${String(first?.policy[key])} in ${first?.file}`;
    issues.push(document.issueAt([key], KEY_CODES[key], message, 'keep one of them'));
  }
  const said = first ?? speaking[0];
  return said?.policy[key];
}

const KEY_CODES = { default: 'CG_POLICY_DEFAULT', combine: 'CG_POLICY_COMBINE', mode: 'CG_POLICY_MODE' } as const;

/** Ids that appear twice, where nothing replaces the one by the other. */
export function duplicateIds(documents: readonly PolicyDocument[]): Issue[] {
  const first = new Map<string, { document: PolicyDocument; index: number }>();
  const issues: Issue[] = [];
  for (const document of documents) {
    for (const [index, { id }] of (document.policy.rules ?? []).entries()) {
      if (id === undefined || document.replaced?.has(id) === true) continue;
      const before = first.get(id);
      const report = (message: string, remedy: string): void => {
        issues.push(document.issueAt(['rules', index, 'id'], 'CG_POLICY_DUPLICATE_ID', message, remedy));
      };
      if (id === 'default') {
        report('the id "default" stands for the default effect', 'choose another id');
      } else if (before === undefined) {
        first.set(id, { document, index });
      } else {
        const other = before.document.issueAt(['rules', before.index, 'id'], '', '');
        report(`the id "${id}" is already taken`, `rename it; the other is at ${other.file}:${other.line}`);
      }
    }
  }
  return issues;
}

/** A rule of an included file may be hidden by a file nearer to the first: overruling is what including is for. */
export function unreachableIssues(placed: readonly PlacedRule[], combine: Combine): Issue[] {
  const hidden = unreachableRules(
    placed.map(({ rule }) => rule),
    combine,
  );
  return hidden.flatMap(({ index, hiddenBy }) => {
    const { rule, document, index: inFile } = placed[index] as PlacedRule;
    const { rule: other, document: otherDocument } = placed[hiddenBy] as PlacedRule;
    if (document.part !== undefined && document !== otherDocument) return [];
    const [message, remedy] =
      combine === 'deny-overrides'
        ? [
            rule.effect === other.effect
              ? `rule "${other.name}" comes before it and decides on everything it matches`
              : `with combine: deny-overrides, the ${other.effect} of rule "${other.name}" wins on everything it matches, wherever it stands`,
            `remove it, or narrow the match of "${other.name}"`,
          ]
        : [
            `rule "${other.name}" before it decides on everything it matches`,
            `move "${rule.name}" before "${other.name}", or remove it`,
          ];
    return [
      document.issueAt(
        ['rules', inFile],
        'CG_POLICY_UNREACHABLE',
        `rule "${rule.name}" is never reached: ${message}`,
        remedy,
      ),
    ];
  });
}
