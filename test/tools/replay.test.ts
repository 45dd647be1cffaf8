/** Aim: a replayed log leads a state machine to the very state that the replica's had, at any slot, from a checkpoint or from the beginning. */

import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
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

  it('tells of a log that a crash left before anything was written to it', async () => {
    const dir = makeRoot();
    mkdirSync(path.join(dir, 'log'));
    writeFileSync(path.join(dir, 'log', '0000000000000001.segment'), new Uint8Array(64 * 1024));
    const { code, errors } = await command('replay', '--dir', dir, '--state-machine', 'kv');
    expect(code).toBe(1);
    expect(errors).toEqual([expect.stringMatching(/nothing was ever written.*ERR_SYNOD_DATA_DIRECTORY/)]);
  });

  it.each(['before it is read', 'while it is'])(
    'tells of a segment that the replica drops %s',
    async (when) => {
      const { dir } = await life(6, 2);
      const log = path.join(dir, 'log');
      // As it does, behind a checkpoint: the file is kept, and becomes another segment.
      const drop = (): void => {
        for (const name of readdirSync(log).filter((each) => each.endsWith('.segment'))) {
          const spare = path.join(log, `${name}.new`);
          renameSync(path.join(log, name), spare);
          writeFileSync(spare, new Uint8Array(statSync(spare).size));
        }
      };
      const machine = new Counter();
      const { apply, restore } = machine;
      machine.restore = async (state) => {
        await restore.call(machine, state);
        if (when === 'before it is read') drop();
      };
      machine.apply = (decree) => {
        apply.call(machine, decree);
        drop();
      };
      await expect(replay(machine, { dataDir: dir })).rejects.toMatchObject({
        code: 'ERR_SYNOD_DATA_DIRECTORY',
        message: expect.stringContaining('replay it again'),
      });
      expect(machine.count).toBe(when === 'before it is read' ? 2 : 3);
    },
  );

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
