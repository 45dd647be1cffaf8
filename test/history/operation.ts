/** What a client did and what it was told, as histories are made of. */

/**
 * One operation of one client. Times have any unit, but all the same clock; operations of the same time count as
 * concurrent, so a clock that is too coarse finds less and never finds what is not there.
 */
export interface Operation<Input, Output> {
  readonly client: number;
  readonly input: Input;
  /** What the client was told; `undefined` where the outcome is unknown: it happened once after the call, or never. */
  readonly output: Output | undefined;
  readonly calledAt: number;
  /** When the client was told; Infinity where it was not, or where the outcome is unknown. */
  readonly returnedAt: number;
}

/**
 * A service as one machine that does one operation after the other. States are values: `step` makes a new one and leaves
 * the old one as it is.
 */
export interface Model<Input, Output, State> {
  readonly initial: State;
  /** The state behind the operation; null where it cannot have this output in this state. `undefined` fits any. */
  step(state: State, input: Input, output: Output | undefined): State | null;
  /** The same text for the same state, another for another. */
  stateKey(state: State): string;
  /** The same text for inputs that are the same, another for others. */
  inputKey(input: Input): string;
  /** What the operation is about. Operations without a key in common do not influence one another; null: all keys. */
  keysOf(input: Input): readonly string[] | null;
  /** Keys whose state behind the operation does not depend on the state before it. None is always right, only slower. */
  overwrites(input: Input): readonly string[];
  /** True where an operation with this output leaves every state as it is. False is always right, only slower. */
  isRead(input: Input, output: Output | undefined): boolean;
  /** For people. */
  describe(input: Input, output: Output | undefined): string;
}
