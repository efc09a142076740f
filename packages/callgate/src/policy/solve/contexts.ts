import type { Annotations } from '../../model/call.ts';
import { HINTS } from '../document/annotations.ts';
import type { CompiledRule } from '../rule.ts';
import type { CallContext } from './trial.ts';

/** Principals, annotations and times worth trying for a policy; the first is the plainest. */
export function contextsOf(rules: readonly CompiledRule[], goal: CompiledRule | undefined): readonly CallContext[] {
  const all = goal === undefined ? rules : [...rules, goal];
  const text = all.flatMap((rule) => rule.atoms.map((atom) => atom.text)).join('\n');
  const roles = [...new Set(all.flatMap((rule) => [...(rule.target.roles?.exact ?? [])]))];
  const roleSets = [[], ...(roles.length > 1 ? [roles] : []), ...roles.map((role) => [role])];
  const asksAnnotations = /annotations|intent/.test(text);
  const asksTime = /schedule|hour\(|minute\(|weekday\(/.test(text);
  const labels = /labels/.test(text) ? [[], [...new Set(quotedIn(text))]] : [[]];
  // Inspected, and nothing seen; nothing called before.
  const usual: CallContext = {
    ...(/\b(?:findings|threat)\b/.test(text) ? { findings: () => [] } : {}),
    ...(/\bcount\(/.test(text) ? { history: () => 0 } : {}),
  };
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
            ...usual,
            ...(time === undefined ? {} : { time }),
            ...(annotations === undefined ? {} : { annotations }),
          });
  }
  const [plainest] = contexts;
  return plainest === undefined ? contexts : [...contexts, ...oddities(text).map((odd) => ({ ...plainest, ...odd }))];
}

/** What a call can say of itself beside roles, labels, annotations and time, one thing each. */
function oddities(text: string): readonly CallContext[] {
  const out: CallContext[] = [];
  const literals = [...new Set(quotedIn(text))].slice(0, MOST_LITERALS);
  if (/\bintent\b/.test(text)) out.push(...INTENTS.map((intent) => ({ intent })));
  if (/\bcount\(/.test(text)) out.push({ history: () => MANY });
  if (/\b(?:findings|threat)\b/.test(text))
    for (const word of literals)
      out.push({ findings: () => [{ rule: word, class: word, pointer: '/args', confidence: 1 }] });
  if (/\bprincipal\.(?:chain|id|user|agent)\b/.test(text)) {
    const principal = { id: 'agent', roles: [], assurance: 'same-user' } as const;
    out.push({ principal: { ...principal, chain: ['other'] } });
    for (const word of literals)
      out.push({ principal: { ...principal, id: word, user: word, agent: word, chain: [] } });
  }
  return out;
}

const MOST_LITERALS = 24;
const MANY = 1_000_000;
const INTENTS = ['read', 'create', 'update', 'delete', 'query', 'unknown'] as const;

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
