import type { Annotations } from '../../model/call.ts';
import { HINTS } from '../document/annotations.ts';
import type { CompiledRule } from '../rule.ts';
import type { CallContext } from './problem.ts';

/** Principals, annotations and times worth trying for a policy; the first is the plainest. */
export function contextsOf(rules: readonly CompiledRule[], goal: CompiledRule | undefined): readonly CallContext[] {
  const all = goal === undefined ? rules : [...rules, goal];
  const text = all.flatMap((rule) => rule.atoms.map((atom) => atom.text)).join('\n');
  const roles = [...new Set(all.flatMap((rule) => [...(rule.target.roles?.exact ?? [])]))];
  const roleSets = [[], ...(roles.length > 1 ? [roles] : []), ...roles.map((role) => [role])];
  const asksAnnotations = /annotations|intent/.test(text);
  const asksTime = /schedule|hour\(|minute\(|weekday\(/.test(text);
  const labels = /labels/.test(text) ? [[], [...new Set(quotedIn(text))]] : [[]];
  const contexts: CallContext[] = [];
  for (const set of roleSets.slice(0, 12)) {
    const principal = { id: 'agent', roles: set, chain: [], assurance: 'same-user' } as const;
    for (const annotations of asksAnnotations ? ANNOTATIONS : [undefined])
      for (const time of asksTime ? TIMES : [undefined])
        for (const tags of labels)
          contexts.push({
            principal,
            labels: tags,
            session: 's',
            ...(time === undefined ? {} : { time }),
            ...(annotations === undefined ? {} : { annotations }),
          });
  }
  return contexts;
}

const ANNOTATIONS: readonly (Annotations | undefined)[] = [
  undefined,
  {},
  ...HINTS.flatMap((hint) => [{ [hint]: true }, { [hint]: false }]),
];

/** Hours of a Wednesday and of a Sunday, UTC. */
const TIMES: readonly number[] = [10, 3, 6, 8, 13, 17, 18, 20, 22, 23].flatMap((hour) => [
  Date.UTC(2026, 0, 7, hour, 30),
  Date.UTC(2026, 0, 11, hour, 30),
]);

function quotedIn(text: string): string[] {
  return [...text.matchAll(/["']([^"'\n]{1,64})["']/g)].map((match) => match[1] as string);
}
