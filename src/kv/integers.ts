/** Integers as Redis reads them: 64 bits signed, decimal, no sign but `-`, no leading zeros or spaces. */

const INT64_MAX = 9223372036854775807n;
const INT64_MIN = -9223372036854775808n;
/** '-' and the 19 digits of the widest value. */
const DIGITS_MAX = 20;
/** Any decimal of this many digits is a safe integer. */
const SAFE_DIGITS = 15;

export { INT64_MAX, INT64_MIN };

/** A `number` where it is a safe integer, else a `bigint`; `undefined` where the text is no 64-bit integer. */
export type Integer = number | bigint;

/** Reads bytes [start, end). */
export function parseInteger(bytes: Uint8Array, start: number, end: number): Integer | undefined {
  const length = end - start;
  if (length === 0 || length > DIGITS_MAX) return undefined;
  const negative = bytes[start] === 45;
  const first = negative ? start + 1 : start;
  const digits = end - first;
  if (digits === 0) return undefined;
  if (bytes[first] === 48 && (digits > 1 || negative)) return undefined;
  let value = 0;
  for (let index = first; index < end; index++) {
    const digit = (bytes[index] as number) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= SAFE_DIGITS) return negative ? -value : value;
  let text = negative ? '-' : '';
  for (let index = first; index < end; index++) text += String.fromCharCode(bytes[index] as number);
  return narrow(BigInt(text));
}

/** The same for a stored value. */
export function parseIntegerText(text: string): Integer | undefined {
  const length = text.length;
  if (length === 0 || length > DIGITS_MAX) return undefined;
  const negative = text.charCodeAt(0) === 45;
  const first = negative ? 1 : 0;
  const digits = length - first;
  if (digits === 0) return undefined;
  if (text.charCodeAt(first) === 48 && (digits > 1 || negative)) return undefined;
  let value = 0;
  for (let index = first; index < length; index++) {
    const digit = text.charCodeAt(index) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (digits <= SAFE_DIGITS) return negative ? -value : value;
  return narrow(BigInt(text));
}

/** The sum, or `undefined` where it leaves 64 bits. */
export function addIntegers(left: Integer, right: Integer): Integer | undefined {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrow(BigInt(left) + BigInt(right));
}

function narrow(value: bigint): Integer | undefined {
  if (value > INT64_MAX || value < INT64_MIN) return undefined;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
