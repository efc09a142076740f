/**
 * The shape of a policy file, as a table: it drives both the checking of documents (`document.ts`) and the JSON Schema for
 * editors (`schema-json.ts`).
 */
export type Shape =
  | { readonly kind: 'text'; readonly oneOf?: readonly string[]; readonly aliases?: Words; readonly pattern?: RegExp }
  | { readonly kind: 'number'; readonly integer?: boolean; readonly min?: number }
  | { readonly kind: 'boolean' }
  /** Text, number, boolean or null. */
  | { readonly kind: 'scalar' }
  | { readonly kind: 'list'; readonly of: Shape }
  | {
      readonly kind: 'map';
      readonly keys: Keys;
      readonly one?: boolean;
      /** `{}` says something. */
      readonly mayBeEmpty?: true;
      readonly aliases?: Words;
      readonly notYet?: Words;
    }
  /** A map whose keys are the user's. */
  | { readonly kind: 'fields'; readonly of: Shape }
  /** The first option that fits the kind of node found. */
  | { readonly kind: 'either'; readonly options: readonly Shape[] }
  | { readonly kind: 'ref'; readonly name: string; readonly to: () => Shape };

export type Words = Readonly<Record<string, string>>;
export interface Key {
  readonly shape: Shape;
  readonly doc: string;
  readonly required?: boolean;
}
export type Keys = Readonly<Record<string, Key>>;

export const text: Shape = { kind: 'text' };
export const scalar: Shape = { kind: 'scalar' };
export const flag: Shape = { kind: 'boolean' };
export const textOrTexts: Shape = { kind: 'either', options: [text, { kind: 'list', of: text }] };
