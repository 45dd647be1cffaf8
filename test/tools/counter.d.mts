import type { Decree, StateMachine } from '../../src/index.js';

export declare class Counter implements StateMachine<number> {
  count: number;
  sum: number;
  poison: number;
  apply(decree: Decree<number>): void;
  digest(): string;
  takeCheckpoint(): Iterable<Uint8Array>;
  restore(state: AsyncIterable<Uint8Array>): Promise<void>;
}
export default Counter;
