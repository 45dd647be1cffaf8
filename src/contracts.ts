/**
 * Contracts: conditions that hold unless this library itself is wrong.
 *
 * `requires` is checked on entry, `ensures` on exit, `invariant` at any time. Each has a stable name, so
 * that a failing contract, the test that trips it and the property that exercises it share that name. A broken
 * contract is never caught and continued from: the engine fences the replica
 * (`ERR_SYNOD_CONTRACT`).
 *
 * A build may leave these three out, condition and all. So a condition must have no effect of
 * its own, and none may be the only thing that stands between this replica and bytes from a peer or a disk:
 * those are errors, and stay. What a peer owes is told by `peerOwes`.
 */

/** `cheap`: what costs next to nothing, everywhere. `full`: walks over a whole state after each step as well. */
export type ContractLevel = 'cheap' | 'full';

/** For tests and simulations, which set it to `full`; a process may be started with `SYNOD_CONTRACTS=full`. */
export const contracts: { level: ContractLevel } = {
  level: process.env.SYNOD_CONTRACTS === 'full' ? 'full' : 'cheap',
};

/** False where the build left the contracts out: it writes this line anew. */
export const hasContracts: boolean = true;

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

/** A condition that a peer owes: yields the contract that it broke, or null. Never left out. */
export function peerOwes(condition: boolean, contract: string): string | null {
  return condition ? null : contract;
}

/** Fails to compile where a closed union is not handled completely. Never left out. */
export function unreachable(value: never): never {
  throw new ContractViolation('invariant', 'complete-dispatch', String(value));
}
