/**
 * The compound faults do what they are for: newcomers come to lead in the place of the members before, and a segment holds less than what
 * may be under way. That they find the bugs that they are for is what `npm run mutants` shows.
 */

import { describe, expect, it } from 'vitest';
import { limitConflicts } from '../../src/limits.js';
import { runScript } from './run.js';
import { drawScript, type Script } from './script.js';

const RUNS = 12;

function firstOf(count: number, isMeant: (script: Script) => boolean): Script[] {
  const scripts: Script[] = [];
  for (let seed = 1; scripts.length < count; seed += 1) {
    const script = drawScript(seed, 'recoverable');
    if (isMeant(script)) scripts.push(script);
  }
  return scripts;
}

const isTurnover = ({ settings, faults }: Script): boolean =>
  settings.replicas === 3 &&
  settings.spares === 2 &&
  faults.filter(({ kind, at }) => kind === 'change' && at > settings.electionTimeoutMs).length > 8;

const isNarrow = ({ settings: { limits, disk } }: Script): boolean =>
  limits.pipelineBytesMax > 2 * disk.segmentBytes;

describe('compound faults', () => {
  it('put newcomers in the place of most members, who choose and die', { timeout: 60_000 }, () => {
    let changed = 0;
    let ledByNewcomer = 0;
    for (const script of firstOf(RUNS, isTurnover)) {
      let hasLed = false;
      const run = runScript(script, (line) => {
        hasLed ||= /^\S+ [de] info role {"role":"primary"/.test(line);
      });
      expect(run.violation, `seed ${script.seed}`).toBeNull();
      changed += Number(run.changesChosen > 0);
      ledByNewcomer += Number(hasLed);
    }
    expect(changed).toBeGreaterThan(RUNS / 6);
    expect(ledByNewcomer).toBeGreaterThan(RUNS / 6);
  });

  it('put more under way than segments hold, within what options may say', { timeout: 60_000 }, () => {
    for (const { settings, seed } of firstOf(RUNS, isNarrow)) {
      const limits = { commandBytesMax: 4096, checkpointBytesPerSecondMax: 65_536, ...settings.limits };
      expect(limitConflicts(limits, settings.disk.segmentBytes), `seed ${seed}`).toEqual([]);
      expect(settings.clients * settings.burst * settings.valueBytes).toBeGreaterThan(
        settings.disk.segmentBytes / 2,
      );
    }
  });
});
