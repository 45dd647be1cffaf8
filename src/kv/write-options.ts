/** The options of SET and EXPIRE, read when the operation is executed. A string instead is the error reply. */

import { parseIntegerText } from './integers.js';

/** The latest deadline: the highest integer that a `number` holds exactly. */
export const DEADLINE_MS_MAX: number = Number.MAX_SAFE_INTEGER;

const SYNTAX = 'ERR syntax error';

export interface SetOptions {
  /** NX */
  readonly onlyMissing: boolean;
  /** XX */
  readonly onlyExisting: boolean;
  /** GET */
  readonly replyBefore: boolean;
  /** KEEPTTL */
  readonly keepDeadline: boolean;
  /** EX, PX, EXAT, PXAT: in ms since 1970; 0 for none. */
  readonly deadline: number;
}

/** `clockMs` is what EX and PX count from. */
export function parseSetOptions(texts: readonly string[], clockMs: number): SetOptions | string {
  let onlyMissing = false;
  let onlyExisting = false;
  let replyBefore = false;
  let keepDeadline = false;
  let unit: TimeUnit | undefined;
  let amountText = '';
  for (let index = 0; index < texts.length; index++) {
    const option = (texts[index] as string).toLowerCase();
    if (option === 'nx') onlyMissing = true;
    else if (option === 'xx') onlyExisting = true;
    else if (option === 'get') replyBefore = true;
    else if (option === 'keepttl') keepDeadline = true;
    else if (unit === undefined && TIME_UNITS[option] !== undefined && index + 1 < texts.length) {
      unit = TIME_UNITS[option];
      index++;
      amountText = texts[index] as string;
    } else return SYNTAX;
  }
  if ((onlyMissing && onlyExisting) || (keepDeadline && unit !== undefined)) return SYNTAX;
  let deadline = 0;
  if (unit !== undefined) {
    const amount = parseIntegerText(amountText);
    if (amount === undefined) return 'ERR value is not an integer or out of range';
    deadline = Number(amount) * unit.ms + (unit.relative ? clockMs : 0);
    if (amount <= 0 || deadline > DEADLINE_MS_MAX) return "ERR invalid expire time in 'set' command";
  }
  return { onlyMissing, onlyExisting, replyBefore, keepDeadline, deadline };
}

interface TimeUnit {
  readonly ms: number;
  /** Counted from the store's clock, not from 1970. */
  readonly relative: boolean;
}

const TIME_UNITS: Readonly<Record<string, TimeUnit | undefined>> = Object.assign(Object.create(null), {
  ex: { ms: 1000, relative: true },
  px: { ms: 1, relative: true },
  exat: { ms: 1000, relative: false },
  pxat: { ms: 1, relative: false },
} satisfies Record<string, TimeUnit>);

export interface ExpireCondition {
  /** NX: only a key that has no deadline. */
  readonly onlyWithout: boolean;
  /** XX: only a key that has one. */
  readonly onlyWith: boolean;
  /** GT: only to put it off. */
  readonly onlyLater: boolean;
  /** LT: only to bring it forward. */
  readonly onlyEarlier: boolean;
}

export function parseExpireCondition(texts: readonly string[]): ExpireCondition | string {
  let onlyWithout = false;
  let onlyWith = false;
  let onlyLater = false;
  let onlyEarlier = false;
  for (const text of texts) {
    const option = text.toLowerCase();
    if (option === 'nx') onlyWithout = true;
    else if (option === 'xx') onlyWith = true;
    else if (option === 'gt') onlyLater = true;
    else if (option === 'lt') onlyEarlier = true;
    else return `ERR Unsupported option ${text}`;
  }
  if (onlyWithout && (onlyWith || onlyLater || onlyEarlier)) {
    return 'ERR NX and XX, GT or LT options at the same time are not compatible';
  }
  if (onlyLater && onlyEarlier) return 'ERR GT and LT options at the same time are not compatible';
  return { onlyWithout, onlyWith, onlyLater, onlyEarlier };
}
