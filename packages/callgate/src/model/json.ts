/** A JSON number that no double holds exactly, or whose spelling a double would lose. Kept as written. */
export class ExactNumber {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** A parsed JSON value. Objects have no prototype; numbers are exact (see ExactNumber). */
export type Json = null | boolean | number | string | ExactNumber | readonly Json[] | { readonly [key: string]: Json };

export type JsonObject = { readonly [key: string]: Json };
