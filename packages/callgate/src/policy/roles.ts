import type { Principal } from '../model/principal.ts';
import type { NodePath, RoleDoc } from './document/document-types.ts';
import type { Glob } from './condition/glob.ts';
import { nearest } from './document/nearest.ts';
import type { Report, Texts } from './condition/scope.ts';
import type { Names } from './target.ts';

/** The roles of a principal: those it came with, those a policy gives it, and all that these include. */
export type RolesOf = (principal: Principal) => readonly string[];

/** What a policy says about roles. */
export interface RoleTable {
  readonly rolesOf: RolesOf;
  /** Reports names in `match.roles` that no declared role has. */
  check(names: Names, report: Report, reportName?: (name: string) => Report): void;
}

/** A role and where it is declared. */
export interface DeclaredRole {
  readonly doc: RoleDoc;
  readonly path: NodePath;
  readonly reportAt: (path: NodePath) => Report;
}

/** More are a mistake: what includes what is worked out for each. */
const MAX_ROLES = 1_000;

/** A policy that declares no roles: a principal has those it came with, under any name. */
export const PLAIN_ROLES: RoleTable = { rolesOf: (principal) => principal.roles, check: () => undefined };

/**
 * Compiles declared roles. Reports roles that are included and not declared (CG_POLICY_ROLE), that include each other in a
 * circle (CG_POLICY_CYCLE), and globs that do not load.
 */
export function compileRoles(declared: ReadonlyMap<string, DeclaredRole>, texts: Texts): RoleTable {
  if (declared.size === 0) return PLAIN_ROLES;
  const [first] = declared.values();
  if (declared.size > MAX_ROLES) {
    first?.reportAt(first.path)(
      'CG_POLICY_ROLE',
      `${declared.size} roles are declared`,
      `declare at most ${MAX_ROLES}`,
    );
    return PLAIN_ROLES;
  }
  const names = [...declared.keys()];
  const members: { readonly role: string; readonly glob: Glob }[] = [];
  for (const [role, { doc, path, reportAt }] of declared) {
    for (const [index, member] of (doc.members ?? []).entries()) {
      const glob = texts.glob(member, reportAt([...path, 'members', index]));
      if (glob !== undefined) members.push({ role, glob });
    }
    for (const [index, included] of (doc.includes ?? []).entries()) {
      if (declared.has(included)) continue;
      const report = reportAt([...path, 'includes', index]);
      report('CG_POLICY_ROLE', `no role "${included}" is declared`, remedyFor(included, names));
    }
  }
  const included = closure(declared);
  const known = new WeakMap<Principal, readonly string[]>();
  return {
    rolesOf(principal) {
      const hit = known.get(principal);
      if (hit !== undefined) return hit;
      const roles = new Set(principal.roles);
      for (const { role, glob } of members) if (glob.test(principal.id)) roles.add(role);
      const list = [...new Set([...roles, ...[...roles].flatMap((role) => [...(included.get(role) ?? [])])])];
      known.set(principal, list);
      return list;
    },
    check(wanted, report, reportName = () => report) {
      for (const name of wanted.exact) {
        if (!declared.has(name))
          reportName(name)('CG_POLICY_ROLE', `no role "${name}" is declared`, remedyFor(name, names));
      }
      for (const pattern of wanted.patterns) {
        if (names.some((name) => pattern.test(name))) continue;
        report('CG_POLICY_ROLE', `no declared role matches "${pattern.source}"`, remedyFor(pattern.source, names));
      }
    },
  };
}

/** All that each role includes, however far; a circle is reported once. */
function closure(declared: ReadonlyMap<string, DeclaredRole>): ReadonlyMap<string, ReadonlySet<string>> {
  const all = new Map<string, ReadonlySet<string>>();
  let isReported = false;
  for (const start of declared.keys()) {
    const found = new Set<string>();
    const open = [...(declared.get(start)?.doc.includes ?? [])];
    for (let role = open.pop(); role !== undefined; role = open.pop()) {
      if (found.has(role)) continue;
      found.add(role);
      open.push(...(declared.get(role)?.doc.includes ?? []));
    }
    if (found.has(start) && !isReported) {
      isReported = true;
      const { path, reportAt } = declared.get(start) as DeclaredRole;
      const remedy = 'take one of the includes out';
      reportAt([...path, 'includes'])(
        'CG_POLICY_CYCLE',
        `the role "${start}" includes itself, by way of others`,
        remedy,
      );
    }
    all.set(start, found);
  }
  return all;
}

function remedyFor(name: string, names: readonly string[]): string {
  const meant = nearest(name.slice(0, 100), names);
  return meant === undefined ? 'declare it under `roles:`' : `did you mean "${meant}"?`;
}
