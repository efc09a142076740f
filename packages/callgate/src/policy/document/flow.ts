import { ExactNumber } from '../../model/json.ts';

/** Longest text of a value in a trace. */
const LONGEST = 500;

/** A value of a policy on one line, as YAML would have it: `{ under: [/a, "b c"] }`. */
export function flow(value: unknown): string {
  const text = write(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}

function write(value: unknown): string {
  if (value instanceof ExactNumber) return value.text;
  if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, inner]) => `${word(key)}: ${write(inner)}`)
      .join(', ')} }`;
  return typeof value === 'string' ? word(value) : String(value);
}

/** A word stands bare, anything else in quotes. */
function word(text: string): string {
  const isBare = /^[A-Za-z_/][A-Za-z0-9_./-]*$/.test(text) && !/^(?:true|false|null|yes|no|on|off)$/i.test(text);
  return isBare ? text : JSON.stringify(text);
}
