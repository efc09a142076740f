import { CallgateError } from '../model/error.ts';
import type { Place } from '../model/error.ts';

/** One thing that is wrong in a config file, a flag or a variable. */
export interface Issue {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly place?: Place;
}

/** Everything that is wrong with the config, in one error; nothing of it was loaded. */
export class ConfigError extends CallgateError {
  readonly issues: readonly Issue[];
  constructor(issues: readonly Issue[]) {
    const place = issues[0]?.place;
    super('CG_CONFIG_INVALID', issues.map(issueText).join('\n'), {
      remedy: 'Mend the lines named; `callgate doctor` checks them again.',
      ...(place === undefined ? {} : { place }),
    });
    this.name = 'ConfigError';
    this.issues = issues;
  }
}

function issueText({ place, message, code }: Issue): string {
  const where = place === undefined ? '' : `${place.file}:${place.line}:${place.column}: `;
  return `${where}${message} ${code}`;
}
