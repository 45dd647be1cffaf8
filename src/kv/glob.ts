/**
 * Matches `text` against a pattern as KEYS and SCAN take it: `*`, `?`, `[abc]`, `[^a-z]`, and `\` before a
 * character that is meant literally. Linear in pattern times text: of several `*` only the last one met can
 * ever need another try, so a pattern full of stars cannot make it run for ever.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let at = 0;
  let position = 0;
  let starAt = -1;
  let starPosition = 0;
  while (position < text.length) {
    if (at < pattern.length && pattern.charCodeAt(at) === STAR) {
      starAt = at;
      starPosition = position;
      at++;
      continue;
    }
    const next = at < pattern.length ? matchOne(pattern, at, text.charCodeAt(position)) : -1;
    if (next >= 0) {
      at = next;
      position++;
    } else if (starAt >= 0) {
      at = starAt + 1;
      starPosition++;
      position = starPosition;
    } else {
      return false;
    }
  }
  while (at < pattern.length && pattern.charCodeAt(at) === STAR) at++;
  return at === pattern.length;
}

const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const CARET = 94;
const BACKSLASH = 92;
const DASH = 45;

/** Where the pattern goes on after the element at `at` has matched `code`, or -1. */
function matchOne(pattern: string, at: number, code: number): number {
  const first = pattern.charCodeAt(at);
  if (first === QUESTION) return at + 1;
  if (first === BACKSLASH && at + 1 < pattern.length)
    return pattern.charCodeAt(at + 1) === code ? at + 2 : -1;
  if (first === OPEN) return matchClass(pattern, at + 1, code);
  return first === code ? at + 1 : -1;
}

/** A class that is never closed reaches to the end of the pattern, as in Redis. */
function matchClass(pattern: string, begin: number, code: number): number {
  let at = begin;
  const negated = pattern.charCodeAt(at) === CARET;
  if (negated) at++;
  let matched = false;
  while (at < pattern.length && pattern.charCodeAt(at) !== CLOSE) {
    let low = pattern.charCodeAt(at);
    if (low === BACKSLASH && at + 1 < pattern.length) {
      at++;
      low = pattern.charCodeAt(at);
      if (low === code) matched = true;
      at++;
    } else if (at + 2 < pattern.length && pattern.charCodeAt(at + 1) === DASH) {
      let high = pattern.charCodeAt(at + 2);
      if (low > high) [low, high] = [high, low];
      if (code >= low && code <= high) matched = true;
      at += 3;
    } else {
      if (low === code) matched = true;
      at++;
    }
  }
  if (matched === negated) return -1;
  return at < pattern.length ? at + 1 : at;
}
