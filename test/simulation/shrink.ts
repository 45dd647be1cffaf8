/** Makes the script of a failed run smaller, as long as it fails in the same way (delta debugging; Zeller, 1999). */

import { runScript } from './run.js';
import type { Fault, Script } from './script.js';

const RUNS_MAX = 300;

export function shrink(script: Script, invariant: string): Script {
  let runs = 0;
  const fails = (candidate: Script): boolean => {
    runs += 1;
    return runScript(candidate).violation?.invariant === invariant;
  };
  let best = script;
  // Less time first: every run after that is shorter.
  for (const part of [0.25, 0.5, 0.75]) {
    const troubleMs = script.settings.troubleMs * part;
    const candidate: Script = {
      ...script,
      settings: { ...script.settings, troubleMs },
      faults: script.faults.filter(({ at }) => at <= troubleMs),
    };
    if (fails(candidate)) {
      best = candidate;
      break;
    }
  }
  let pieces = 2;
  while (best.faults.length > 0 && runs < RUNS_MAX) {
    const size = Math.ceil(best.faults.length / pieces);
    const smaller = without(best.faults, size).find(
      (faults) => runs < RUNS_MAX && fails({ ...best, faults }),
    );
    if (smaller !== undefined) {
      best = { ...best, faults: smaller };
      pieces = Math.max(2, pieces - 1);
    } else if (size === 1) break;
    else pieces = Math.min(best.faults.length, pieces * 2);
  }
  return best;
}

/** All but each run of `size` faults. */
function without(faults: readonly Fault[], size: number): Fault[][] {
  const candidates: Fault[][] = [];
  for (let at = 0; at < faults.length; at += size)
    candidates.push([...faults.slice(0, at), ...faults.slice(at + size)]);
  return candidates;
}
