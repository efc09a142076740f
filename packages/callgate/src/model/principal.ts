/** How strongly an identity is proven; weakest last. */
export type Assurance = 'pop' | 'bearer' | 'asserted' | 'same-user';

/** Who calls. */
export interface Principal {
  readonly id: string;
  readonly agent?: string;
  readonly user?: string;
  readonly roles: readonly string[];
  /** Delegation chain, root first; empty when nobody delegated. */
  readonly chain: readonly string[];
  readonly assurance: Assurance;
}
