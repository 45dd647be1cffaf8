/**
 * Counts what code asks the typed arrays for, and refuses what is beyond a bound before there is such memory. The heap's own
 * figures do not show what was collected in the meantime, and so great an allocation is what makes it collect.
 */

const names = [
  'ArrayBuffer',
  'SharedArrayBuffer',
  'Uint8Array',
  'Int32Array',
  'Uint32Array',
  'Float64Array',
] as const;

type Constructor = new (...values: unknown[]) => object;
const globals = globalThis as unknown as Record<string, Constructor>;
const plain: readonly Constructor[] = names.map((name) => globals[name]!);

let asked = 0;
let bytesMax = Number.POSITIVE_INFINITY;

const counting: readonly Constructor[] = plain.map((original) => {
  const elementBytes = (original as unknown as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ?? 1;
  return new Proxy(original, {
    construct(target, values: unknown[], newTarget): object {
      const [length] = values;
      if (typeof length === 'number') {
        asked += length * elementBytes;
        if (asked > bytesMax) throw new RangeError(`${asked} bytes asked for, the bound is ${bytesMax}`);
      }
      return Reflect.construct(target, values, newTarget) as object;
    },
  });
});

/** From now on, until `stopCounting`. */
export function startCounting(most: number): void {
  asked = 0;
  bytesMax = most;
  for (const [index, name] of names.entries()) globals[name] = counting[index]!;
}

/** The bytes that were asked for. */
export function stopCounting(): number {
  for (const [index, name] of names.entries()) globals[name] = plain[index]!;
  return asked;
}
