/** Milliseconds of the clock that all threads of the machine have; `performance.now` begins anew in each. */
export function machineMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
