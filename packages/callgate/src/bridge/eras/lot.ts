/** Room for parked calls that many adapters share. */
export interface Lot {
  /** @returns false when there is none */
  take(): boolean;
  give(): void;
}

/** Room for so many. */
export function lotOf(most: number): Lot {
  let taken = 0;
  return {
    take: () => taken < most && ++taken > 0,
    give: () => void taken--,
  };
}
