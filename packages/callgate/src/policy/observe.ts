/**
 * The built-in policy that is used when there is no policy file: it allows and records everything in both directions. The
 * floor below every policy stays.
 */
export const OBSERVE_POLICY = `version: 1
name: observe
default: deny
rules:
  - id: observe
    description: Nothing is refused yet; read \`callgate logs\`, then write rules.
    match: { direction: [call, request], method: "*" }
    effect: allow
    reason: no policy file; observing
`;
