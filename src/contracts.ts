/**
 * Contracts: conditions that hold unless this library itself is wrong.
 *
 * `requires` is checked on entry, `ensures` on exit, `invariant` at any time. Each has a stable name, so
 * that a failing contract, the test that trips it and the property that exercises it share that name. A
 * broken contract is never caught and continued from: the engine fences the replica (`ERR_SYNOD_CONTRACT`).
 */

/** Thrown when a contract is broken. `contract` is its stable name. */
export class ContractViolation extends Error {
  readonly code = 'ERR_SYNOD_CONTRACT';
  readonly contract: string;

  constructor(kind: string, contract: string, detail?: string) {
    super(`${kind} broken: ${contract}${detail === undefined ? '' : ` (${detail})`}`);
    this.name = 'ContractViolation';
    this.contract = contract;
  }
}

/** A condition that the caller owes on entry. */
export function requires(condition: boolean, contract: string, detail?: () => string): asserts condition {
  if (!condition) throw new ContractViolation('requires', contract, detail?.());
}

/** A condition that the callee owes on exit. */
export function ensures(condition: boolean, contract: string, detail?: () => string): asserts condition {
  if (!condition) throw new ContractViolation('ensures', contract, detail?.());
}

/** A condition that holds at any time. */
export function invariant(condition: boolean, contract: string, detail?: () => string): asserts condition {
  if (!condition) throw new ContractViolation('invariant', contract, detail?.());
}

/** Fails to compile where a closed union is not handled completely. */
export function unreachable(value: never): never {
  throw new ContractViolation('invariant', 'complete-dispatch', String(value));
}
