/** The text of policies/starter.yaml, which `init` writes; a test holds the two equal. */
export const STARTER_POLICY = `# placeholder
version: 1
default: deny
rules: []
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

# What Callgate knows about servers, by the name that rules use.
# servers:
#   files:
#     command: npx
#     args: [-y, "@modelcontextprotocol/server-filesystem", "."]
#     trust: { annotations: false }   # whether rules may believe what the server says about its tools
`;
