import type { Call } from '../../model/call.ts';
import type { BudgetKey, BudgetObligation } from '../../model/decision.ts';
import type { BudgetDoc, NodePath } from '../document/document-types.ts';
import { compileOperand } from './expression.ts';
import type { Value } from './expression-values.ts';
import { isObject, typeName } from './field.ts';
import { isNumeric, numberFromText, type Numeric } from './numbers.ts';
import type { Report, Scope } from './scope.ts';
import { Unsure } from './truth.ts';

/** Digits before the point, and after it: amounts of money, tokens or bytes, not of atoms. */
const WHOLE_DIGITS = 30;
const FRACTION_DIGITS = 18;

/** Compiles a budget; `series` counts the rule's budgets with the same key. */
export function compileBudget(
  doc: BudgetDoc,
  rule: string,
  series: (key: readonly BudgetKey[]) => number,
  path: NodePath,
  scope: Scope,
  reportAt: (path: NodePath) => Report,
): BudgetObligation {
  const wanted: readonly BudgetKey[] =
    doc.key === undefined ? ['rule'] : typeof doc.key === 'string' ? [doc.key] : doc.key;
  const key = [...new Set(wanted)];
  const max = plainDecimal(doc.max);
  if (max === undefined || max === '0' || max.startsWith('-'))
    reportAt([...path, 'max'])(
      'CG_POLICY_VALUE',
      `max must be above 0, with at most ${FRACTION_DIGITS} decimals`,
      'write max: 100',
    );
  const amount = compileAmount(doc.amount, scope, reportAt([...path, 'amount']));
  return {
    kind: 'budget',
    rule,
    key,
    series: series(key),
    max: max ?? '0',
    amount(call) {
      const spent = spentBy(amount(call));
      return spent instanceof Unsure ? { unsure: spent.cause } : spent;
    },
  };
}

/**
 * Compiles what a call spends: an expression, or a number. It is asked after the decision, when what conditions remember
 * of the call is dropped already: it reads the arguments itself and leaves nothing behind for the next call.
 */
export function compileAmount(amount: string | Numeric, scope: Scope, report: Report): (call: Call) => Value {
  if (isNumeric(amount)) {
    const spent = spentBy(amount);
    if (spent instanceof Unsure) report('CG_POLICY_VALUE', spent.cause);
    return () => amount;
  }
  const operand = compileOperand(amount, { ...scope, argument: ownArgument }, report);
  return operand ?? (() => new Unsure('the amount did not load'));
}

function ownArgument(key: string) {
  return (call: Call) => {
    const args = call.args();
    return isObject(args) && Object.hasOwn(args, key) ? args[key] : undefined;
  };
}

/** An amount as a decimal. A negative one is no refund, and text counts only when it is a plain decimal. */
function spentBy(value: Value): string | Unsure {
  if (value instanceof Unsure) return value;
  const number = typeof value === 'string' && !/[eE]/.test(value) ? numberFromText(value) : value;
  if (!isNumeric(number)) return new Unsure(`the amount is ${typeName(value)}, not a number`);
  const text = plainDecimal(number);
  if (text === undefined) return new Unsure('the amount has too many digits');
  return text.startsWith('-') ? new Unsure('the amount is negative') : text;
}

/** A number without exponent and needless zeros; undefined beyond the digits that are counted with. */
export function plainDecimal(value: Numeric): string | undefined {
  const text = typeof value === 'number' ? String(value) : value.text;
  const found = /^(-?)([0-9]{1,400})(?:\.([0-9]{1,400}))?(?:[eE]([+-]?[0-9]{1,4}))?$/.exec(text);
  if (found === null) return undefined;
  const [, sign = '', whole = '', fraction = '', power = '0'] = found;
  const digits = (whole + fraction).replace(/^0+/, '');
  if (digits === '') return '0';
  const kept = digits.replace(/0+$/, '');
  /** Where the point stands in `kept`. */
  const point = digits.length - fraction.length + Number(power);
  if (point > WHOLE_DIGITS || kept.length - point > FRACTION_DIGITS) return undefined;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${kept}`;
  const padded = kept.padEnd(point, '0');
  return padded.length === point ? sign + padded : `${sign}${padded.slice(0, point)}.${padded.slice(point)}`;
}
