import type { Issue } from './issues.ts';
import { didYouMean } from '../policy/document/nearest.ts';
import type { Setting, Value } from './settings.ts';

type Checked = { readonly value: Value } | { readonly issue: Issue };

/** Checks a value of a file against its setting. `undefined` is a value that is no scalar. */
export function checkValue(setting: Setting, key: string, value: unknown): Checked {
  switch (setting.type) {
    case 'choice': {
      if (typeof value === 'string' && setting.values.includes(value)) return { value };
      const guess = typeof value === 'string' ? didYouMean(value, setting.values) : '';
      return badValue(`${key} must be one of ${setting.values.join(', ')}.${guess}`, `Write: ${setting.fallback}`);
    }
    case 'whole': {
      const { min, max, fallback } = setting;
      if (typeof value !== 'number' || !Number.isInteger(value)) {
        return wrongType(`${key} must be a whole number.`, `Write a number such as ${fallback}.`);
      }
      if (value >= min && value <= max) return { value };
      return badValue(`${key} must be from ${min} to ${max}, not ${value}.`, `The default is ${fallback}.`);
    }
    case 'truth':
      if (typeof value === 'boolean') return { value };
      return wrongType(`${key} must be true or false.`, 'Write true or false, without quotes.');
    case 'text':
      if (typeof value === 'string' && value !== '' && !value.includes('\0')) return { value };
      return wrongType(
        `${key} must be a text${value === '' ? ', and not an empty one' : ''}.`,
        'Put the text in quotes.',
      );
  }
}

/** Checks a value of a flag or variable, which is always text. `name` is what the user wrote, such as `--fail`. */
export function checkText(setting: Setting, name: string, text: string): Checked {
  switch (setting.type) {
    case 'whole':
      return checkValue(setting, name, /^\d{1,15}$/.test(text) ? Number(text) : text);
    case 'truth':
      return checkValue(setting, name, text === 'true' ? true : text === 'false' ? false : text);
    default:
      return checkValue(setting, name, text);
  }
}

function wrongType(message: string, remedy: string): Checked {
  return { issue: { code: 'CG_CONFIG_WRONG_TYPE', message, remedy } };
}

function badValue(message: string, remedy: string): Checked {
  return { issue: { code: 'CG_CONFIG_BAD_VALUE', message, remedy } };
}

/**
 * Fills in `${NAME}`; `$${NAME}` stays as `${NAME}`.
 * @returns the text, and the names that have no value.
 */
export function fillIn(
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): { readonly text: string; readonly unset: readonly string[] } {
  const unset: string[] = [];
  let out = '';
  let from = 0;
  for (;;) {
    const at = text.indexOf('${', from);
    if (at < 0) return { text: out + text.slice(from), unset };
    const end = text.indexOf('}', at);
    if (end < 0) {
      unset.push(text.slice(at + 2));
      return { text: out + text.slice(from), unset };
    }
    const name = text.slice(at + 2, end);
    if (at > from && text[at - 1] === '$') out += text.slice(from, at - 1) + text.slice(at, end + 1);
    else {
      const value = Object.hasOwn(variables, name) ? variables[name] : undefined;
      if (value === undefined) unset.push(name);
      out += text.slice(from, at) + (value ?? '');
    }
    from = end + 1;
  }
}
