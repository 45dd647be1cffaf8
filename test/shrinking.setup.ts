/**
 * Where only that a property fails counts, as it does for a mutant, nobody looks for the smallest case in which it does: that may take
 * longer than a test is given.
 */

if (process.env.SYNOD_SHRINK === '0') {
  const { default: fc } = await import('fast-check');
  fc.configureGlobal({ ...fc.readConfigureGlobal(), endOnFailure: true });
}

export {};
