import type { Place } from '../../model/error.ts';
import type { NodePath, RuleDoc } from './document-types.ts';
import { type PolicyDocument, readDocument } from './document.ts';
import type { CompiledRule } from '../rule.ts';
import type { PolicySource } from '../compile-documents.ts';

/** A rule as it is written, and where its parts stand. */
export interface WrittenRule {
  readonly doc: RuleDoc;
  /** Where a part of the rule stands; keys and indices from the rule. */
  at(...path: NodePath): Place;
  /** Where a node stands; keys and indices from the root of the file. */
  atNode(path: NodePath): Place;
}

/** Finds compiled rules in the texts they come from; undefined for a rule of no text, such as one of the base layer. */
export function openPlaces(sources: readonly PolicySource[]): (rule: CompiledRule) => WrittenRule | undefined {
  const texts = new Map(sources.map((source) => [source.file, source.text]));
  const read = new Map<string, PolicyDocument>();
  return (rule) => {
    const text = texts.get(rule.file);
    const index = rule.path[1];
    if (text === undefined || typeof index !== 'number') return undefined;
    let document = read.get(rule.file);
    if (document === undefined) read.set(rule.file, (document = readDocument(rule.file, text)));
    const doc = document.policy.rules?.[index];
    if (doc === undefined) return undefined;
    const from = document;
    const atNode = (path: NodePath): Place => from.issueAt(path, '', '').place;
    return { doc, at: (...path) => atNode([...rule.path, ...path]), atNode };
  };
}
