/** An exact amount >= 0, in units of 10^-30: sums of it are sums of whole numbers. */
export type Amount = bigint;

const PLACES = 30;
const BEYOND = 10n ** 60n;
const MOST_TEXT = 200;

/**
 * Reads decimal text as JSON spells a number: `12.50`, `1e3`.
 * @returns the amount, or what the text is instead, to follow "is".
 */
export function parseAmount(text: unknown): Amount | string {
  if (typeof text !== 'string') return `of type ${typeof text}, not text`;
  if (text === '') return 'empty';
  if (text.length > MOST_TEXT) return `longer than ${MOST_TEXT} characters`;
  if (text.startsWith('-')) return 'negative';
  const parts = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?$/.exec(text);
  if (parts === null) return 'no decimal number';
  const [, whole = '', fraction = '', power = '0'] = parts;
  const digits = BigInt(whole + fraction);
  if (digits === 0n) return 0n;
  // At most 999 + 200 either way, so the power of ten stays small.
  const shift = PLACES + Number(power) - fraction.length;
  const scaled = shift >= 0 ? digits * 10n ** BigInt(shift) : digits / 10n ** BigInt(-shift);
  if (shift < 0 && scaled * 10n ** BigInt(-shift) !== digits) return `finer than ${PLACES} places after the point`;
  return scaled < BEYOND ? scaled : `larger than ${PLACES} digits before the point`;
}

/** The shortest plain decimal text of an amount: `0.3`, `2000`. */
export function amountText(amount: Amount): string {
  const digits = amount.toString().padStart(PLACES + 1, '0');
  const fraction = digits.slice(-PLACES).replace(/0+$/, '');
  return fraction === '' ? digits.slice(0, -PLACES) : `${digits.slice(0, -PLACES)}.${fraction}`;
}
