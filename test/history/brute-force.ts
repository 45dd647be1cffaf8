/** An obviously right checker for tiny histories: tries every order, remembers nothing, spares nothing. */

import type { Model, Operation } from './operation.js';

export function isLinearizable<Input, Output, State>(
  model: Model<Input, Output, State>,
  operations: readonly Operation<Input, Output>[],
  state: State = model.initial,
): boolean {
  const known = operations.filter(({ output }) => output !== undefined);
  if (known.length === 0) return true;
  return operations.some((operation) => {
    if (known.some((other) => other !== operation && other.returnedAt < operation.calledAt)) return false;
    const after = model.step(state, operation.input, operation.output);
    const rest = operations.filter((other) => other !== operation);
    return after !== null && isLinearizable(model, rest, after);
  });
}
