import { ExactNumber } from '../../model/json.ts';
import { Unsure } from './truth.ts';

/** A JSON number: a double that says all of it, or its text. */
export type Numeric = number | ExactNumber;

/** Whether a value is a number. */
export function isNumeric(value: unknown): value is Numeric {
  return typeof value === 'number' || value instanceof ExactNumber;
}

/** Value = digits × 10^exponent, digits a whole number. */
interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

const MAX_DIGITS = 1_000;
const MAX_EXPONENT = 400;
const beyond = new Unsure('number out of range');

/** Compares two JSON numbers exactly, never through a double. @returns below, at or above zero, or why it cannot tell */
export function compareNumbers(a: Numeric, b: Numeric): number | Unsure {
  if (typeof a === 'number' && typeof b === 'number') return a === b ? 0 : a < b ? -1 : 1;
  const left = decimal(a);
  const right = decimal(b);
  if (left === undefined || right === undefined) return beyond;
  const exponent = Math.min(left.exponent, right.exponent);
  const x = scale(left, exponent);
  const y = scale(right, exponent);
  return x === y ? 0 : x < y ? -1 : 1;
}

/** Adds, subtracts or multiplies two JSON numbers exactly. */
export function calculate(operator: '+' | '-' | '*', a: Numeric, b: Numeric): Numeric | Unsure {
  if (typeof a === 'number' && typeof b === 'number' && Number.isSafeInteger(a) && Number.isSafeInteger(b)) {
    const quick = operator === '+' ? a + b : operator === '-' ? a - b : a * b;
    if (Number.isSafeInteger(quick)) return quick;
  }
  const left = decimal(a);
  const right = decimal(b);
  if (left === undefined || right === undefined) return beyond;
  if (operator === '*')
    return numeric({ digits: left.digits * right.digits, exponent: left.exponent + right.exponent });
  const exponent = Math.min(left.exponent, right.exponent);
  const x = scale(left, exponent);
  const y = scale(right, exponent);
  return numeric({ digits: operator === '+' ? x + y : x - y, exponent });
}

/** The exact number that a JSON number text spells, or undefined when it is not one. */
export function numberFromText(text: string): Numeric | undefined {
  if (!/^-?(?:0|[1-9][0-9]{0,999})(?:\.[0-9]{1,999})?(?:[eE][+-]?[0-9]{1,9})?$/.test(text)) return undefined;
  const double = Number(text);
  return Number.isFinite(double) && String(double) === text ? double : new ExactNumber(text);
}

function scale(value: Decimal, exponent: number): bigint {
  return value.digits * 10n ** BigInt(value.exponent - exponent);
}

function decimal(value: Numeric): Decimal | undefined {
  const text = typeof value === 'number' ? String(value) : value.text;
  if (text.length > MAX_DIGITS) return undefined;
  const at = text.search(/[eE]/);
  const mantissa = at < 0 ? text : text.slice(0, at);
  const power = at < 0 ? 0 : Number(text.slice(at + 1));
  const dot = mantissa.indexOf('.');
  const places = dot < 0 ? 0 : mantissa.length - dot - 1;
  const exponent = power - places;
  if (!Number.isInteger(exponent) || Math.abs(exponent) > MAX_EXPONENT + MAX_DIGITS || Math.abs(power) > MAX_EXPONENT)
    return undefined;
  const whole = dot < 0 ? mantissa : mantissa.slice(0, dot) + mantissa.slice(dot + 1);
  return /^-?[0-9]+$/.test(whole) ? { digits: BigInt(whole), exponent } : undefined;
}

function numeric(value: Decimal): Numeric | Unsure {
  const text = `${value.digits}`;
  if (text.length > MAX_DIGITS || Math.abs(value.exponent) > MAX_EXPONENT) return beyond;
  return numberFromText(value.exponent === 0 ? text : `${text}e${value.exponent}`) ?? beyond;
}
