// Policies to measure with.

/** About twenty rules as a project would have them; the echo call passes all its argument rules. */
export const TWENTY = `version: 1
default: deny
rules:
${Array.from({ length: 12 }, (_, i) => `  - { id: other-${i}, match: { server: other-${i}, tool: ["tool_${i}", "search_*"] }, effect: allow }`).join('\n')}
  - { id: no-forking, match: { tool: [fork, exec, "run_*"] }, effect: deny, reason: no processes }
  - { id: no-wiping, match: { tool: "*_delete" }, effect: ask }
  - id: no-secrets
    match: { tool: echo }
    args: { message: { regex: "(?i)begin (rsa|ec) private key" } }
    effect: deny
  - id: not-there
    match: { tool: echo }
    args: { city: { in: [Atlantis, Ys] } }
    effect: deny
  - id: not-much
    match: { tool: echo }
    args: { amount: { gt: 1000 } }
    effect: deny
  - id: echo
    match: { tool: echo }
    args:
      message: { startsWith: hello }
      note: { contains: two hundred }
      amount: { le: 100 }
    effect: allow
  - { id: add, match: { tool: add }, args: { a: { le: 10 }, b: { le: 10 } }, effect: allow }
  - { id: args, match: { tool: args }, args: { id: { in: [a, b, c] } }, effect: allow }
`;
