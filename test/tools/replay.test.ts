/** Aim: a replayed log leads a state machine to the very state that the replica's had, at any slot, from a checkpoint or from the beginning. */

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { replay } from '../../src/tools/replay.js';
import { bytesOf } from '../application/support.js';
import { Counter } from './counter.mjs';
import { cleanUp, command, makeRoot, openStored } from './support.js';

afterEach(cleanUp);

const module = fileURLToPath(new URL('./counter.mjs', import.meta.url));

function contentOf(dir: string): string[] {
  return readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(dir, name))
    .filter((file) => statSync(file).isFile() && !file.endsWith('lock'))
    .sort()
    .map((file) => `${file} ${readFileSync(file).toString('base64')}`);
}

/** A closed replica that executed `count` commands one after another; what its digest was behind each slot. */
async function life(count: number, checkpointAt: number) {
  const [stored] = await openStored(makeRoot(), ['a']);
  const { replica, dir, machine } = stored!;
  const digests = new Map<number, string>();
  const apply = machine.apply.bind(machine);
  machine.apply = (decree) => {
    apply(decree);
    digests.set(decree.slot, machine.digest());
  };
  for (let index = 1; index <= count; index += 1) {
    await replica.replicate(bytesOf(`command ${index}`));
    if (index === checkpointAt) await replica.checkpoint();
  }
  const { applied } = await replica.status();
  await replica.close();
  return { dir, digests, applied };
}

describe('synod replay', () => {
  it('executes a stored log up to a slot, and comes to the digest that the replica had', async () => {
    const { dir, digests, applied } = await life(20, 10);
    const before = contentOf(dir);
    for (const [slot, digest] of digests) {
      const report = await replay(new Counter(), { dataDir: dir, to: slot });
      expect(report, `slot ${slot}`).toMatchObject({ slot, digest });
    }
    const whole = await command('replay', '--dir', dir, '--state-machine', module, '--json');
    expect(whole.errors).toEqual([]);
    expect(whole.json()).toMatchObject({ slot: applied, digest: digests.get(applied), checkpoint: null });
    expect(Number(whole.json().from)).toBeGreaterThan(0);
    expect(contentOf(dir)).toEqual(before);
  });

  it('takes a class whose methods are fields', async () => {
    const { dir, applied } = await life(3, 2);
    const file = path.join(makeRoot(), 'fields.mjs');
    writeFileSync(
      file,
      "export default class { count = 0; apply = () => void (this.count += 1); digest = () => 'fields'; }",
    );
    const whole = await command('replay', '--dir', dir, '--state-machine', file, '--json');
    expect(whole.errors).toEqual([]);
    expect(whole.json()).toMatchObject({ slot: applied, digest: 'fields' });
  });

  it('writes a checkpoint of the end elsewhere, which is sound, and which a replay can begin with', async () => {
    const { dir, digests, applied } = await life(8, 4);
    const slot = applied - 2;
    const out = path.join(makeRoot(), 'checkpoints');
    const written = await command(
      'replay',
      '--dir',
      dir,
      '--state-machine',
      module,
      '--to',
      String(slot),
      '--write-checkpoint',
      out,
      '--json',
    );
    expect(written.json()).toMatchObject({ slot, checkpoint: slot });
    const shown = await command('checkpoint', 'latest', '--dir', path.dirname(out), '--json');
    expect(shown.json()).toMatchObject({ slot, verdict: 'sound', cluster: 'tools', replica: 'a' });
    expect(String(digests.get(slot))).toMatch(/^\d+ \d+$/);
  });

  it('refuses what is not known to be chosen, what is no state machine, and one that throws', async () => {
    const { dir, applied } = await life(3, -1);
    expect(
      (await command('replay', '--dir', dir, '--state-machine', module, '--to', String(applied + 100)))
        .errors[0],
    ).toMatch(/not known to be chosen/);
    expect((await command('replay', '--dir', dir, '--state-machine', '/nowhere.mjs')).code).toBe(2);
    expect((await command('replay', '--dir', dir)).code).toBe(2);
    const poisoned = new Counter();
    poisoned.poison = 2;
    await expect(replay(poisoned, { dataDir: dir })).rejects.toMatchObject({
      code: 'ERR_SYNOD_STATE_MACHINE',
    });
  });
});
