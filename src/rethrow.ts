/** Functions of the application that are called in the middle of something: what they throw must not end that. */

/** Throws it again behind the present call, as an uncaught exception of the process. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** The same function, but what it throws is thrown behind the call. */
export function throwingLater<Argument>(call: (argument: Argument) => void): (argument: Argument) => void {
  return (argument) => {
    try {
      call(argument);
    } catch (error) {
      throwLater(error);
    }
  };
}
