/** The text of policies/starter.yaml, which `init` writes; a test holds the two equal. */
export const STARTER_POLICY = `# What every call is judged by. Rules are asked from top to bottom; the first with an effect that matches decides.
# A rule without an effect only adds its obligations, wherever it stands. docs/policy.md has the language.
# After a change: callgate policy check policy.yaml
version: 1
name: starter

# What no rule decides is refused; the refusal tells the agent, and \`callgate logs\` tells you.
default: deny

rules:
  # Commands that delete or overwrite more than can be undone, in any text of any call: \`rm -rf\`, \`rm  -r -f\`,
  # \`rm --recursive\`, \`mkfs\`, \`dd if=... of=...\`. A hurdle against accidents: quoting can hide a command from a pattern.
  - id: no-destructive-commands
    match: { tool: "*" }
    args:
      "*":
        regex: '(?i)(^|[^a-z0-9_.-])(rm(\\s|\\$\\{?IFS\\}?)+((-[a-z-]+|--[a-z-]+)(\\s|\\$\\{?IFS\\}?)+)*(-[a-z]*[rf]|--recursive|--force)|mkfs(\\.[a-z0-9]+)?(\\s|$)|dd\\s+([^\\n]*\\s)?(if|of)=)'
    effect: deny
    reason: This command deletes or overwrites more than can be undone.

  # Deleting is asked about first.
  - id: ask-before-deleting
    match: { tool: ["delete*", "remove*"] }
    effect: ask
    reason: Deleting needs a person's approval.

  # Reading passes. Names only say what a tool claims to do: narrow this with \`server:\` and \`args: { path: { under: ... } }\`.
  - id: allow-reading
    match: { tool: ["read_*", "list_*", "get_*", "search_*"] }
    effect: allow

  # At most 120 calls a minute to each server.
  - id: server-rate
    match: { server: "*" }
    obligations:
      - rate: { max: 120, per: 1m, key: [server] }

  # Keys, tokens and passwords in results are masked before the agent sees them.
  - id: strip-secrets
    match: { direction: result }
    obligations:
      - redact: { classes: [secret] }
`;

/** The cases of the starter policy, which `init` writes beside it. */
export const STARTER_CASES = `# What policy.yaml is to decide. Run it after each change: callgate policy test
# docs/policy-questions.md says what a case may have; --coverage says what no case would notice.
policy: ./policy.yaml
cases:
  - name: reading passes
    call: { tool: read_file, args: { path: src/a.txt } }
    expect: { effect: allow, rule: allow-reading }
  - name: deleting is asked about
    call: { tool: delete_file, args: { path: src/a.txt } }
    expect: { effect: ask, rule: ask-before-deleting }
  - name: a command that wipes a home is refused
    call: { tool: run_command, args: { command: "rm -rf ~" } }
    expect: { effect: deny, rule: no-destructive-commands }
  - name: what no rule names is refused
    call: { tool: write_file, args: { path: src/a.txt, content: text } }
    expect: { effect: deny, rule: default }
  - name: secrets in results are masked
    call: { tool: read_file, result: text }
    expect: { effect: allow, obligations: ["redact:strip-secrets"] }
`;

/** The callgate.yaml that `init` writes. Everything but the policy stands as a comment with its default. */
export const STARTER_CONFIG = `# Settings of Callgate. Each line that is commented out shows the default.
# docs/config.md explains them; \`callgate doctor --config-show\` shows what is in force and why.
version: 1

# The rules that every call is judged by.
policy: ./policy.yaml

# How hard the evidence is held: batch survives any crash of Callgate, strict survives power loss too.
# evidence: { durability: batch, required: true }

# How a denied tools/call is answered: result is a text that the model reads, error a JSON-RPC error.
# refusal: result

# What becomes of a call when Callgate itself is at fault: closed refuses it.
# fail: closed

# limits: { messageBytes: 10485760, depth: 128, keys: 100000, inFlight: 10000 }
# log: { level: warn, format: pretty }

# The servers of \`callgate serve\` and of \`callgate run\` without a command, by the name that rules use.
# After a change of this file: callgate trust
# servers:
#   files:
#     command: npx
#     args: [-y, "@modelcontextprotocol/server-filesystem", "."]
#     trust: { annotations: false }   # whether rules may believe what the server says about its tools
#   remote:
#     url: https://mcp.example.com/mcp
#     headers: { Authorization: "Bearer \${MCP_TOKEN}" }
`;

/** The rule that keeps a limit as a comment, with what it takes to have it: for a Node without SQLite. */
export function withoutLimits(policy: string): string {
  const rule = /\n {2}# At most 120 calls[^]*?\n(?=\n)/.exec(policy)?.[0] ?? '';
  const lines = rule.trim().split('\n');
  const comment = lines.map((line, at) =>
    at === 0 ? line : `# ${line.trimStart().length === 0 ? '' : line}`.trimEnd(),
  );
  const why =
    '  # Limits need SQLite: Node 22.13 or newer, or `npm install @photostructure/sqlite`. Then take out the "#".';
  return policy.replace(rule, `\n  ${comment[0] ?? ''}\n${why}\n${comment.slice(1).join('\n')}\n`);
}
