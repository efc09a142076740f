import { CallgateError, type Place } from '../../model/error.ts';

/** One thing that is wrong with a policy text; line and column count from 1. */
export interface Issue {
  readonly code: string;
  readonly message: string;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The same place, as every error of the project carries it. */
  readonly place: Place;
  /** What to do about it. */
  readonly remedy?: string;
}

/** A policy that does not load; `issues` names everything that is wrong with it, not only the first. */
export class PolicyError extends CallgateError {
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    const first = issues[0];
    const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
    super(
      first?.code ?? 'CG_POLICY_INVALID',
      `${first?.message ?? 'the policy does not load'}${more}`,
      first === undefined
        ? {}
        : {
            place: { file: first.file, line: first.line, column: first.column },
            ...(first.remedy === undefined ? {} : { remedy: first.remedy }),
          },
    );
    this.name = 'PolicyError';
    this.issues = issues;
  }
}
