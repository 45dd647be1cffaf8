/** Aim: reads by lease see what was answered elsewhere before, ask nobody, and are refused where nobody said how far clocks may drift. */

import { afterEach, describe, expect, it } from 'vitest';
import { bytesOf, closeAll, codeOf, type Member, openCluster, until } from './support.js';

afterEach(closeAll);

const leases = { clockDriftMax: 0.01 };

describe.each(['inline', 'worker'] as const)('reads by lease, engine %s', (engine) => {
  it('see on every replica what was answered on another one before', async () => {
    const members = await openCluster(3, { engine, leases });
    for (let round = 1; round <= 40; round += 1) {
      const writer = members[round % 3]!.replica;
      await writer.replicate(bytesOf(`${round}`));
      const answers = await Promise.all(
        members.map(({ replica }) => replica.read(null, { consistency: 'lease' })),
      );
      for (const { value } of answers) expect(value).toBeGreaterThanOrEqual(round);
    }
  });

  it('go on through a hand-over, a promotion and the loss of the primary', async () => {
    const members = await openCluster(3, { engine, leases, electionTimeoutMs: 200 });
    await members[0]!.replica.replicate(bytesOf('x'));
    let written = 1;
    const check = async (on: readonly Member[]): Promise<void> => {
      await on[0]!.replica.replicate(bytesOf('y'));
      written += 1;
      for (const { replica } of on) {
        const { value } = await replica.read(null, { consistency: 'lease' });
        expect(value).toBeGreaterThanOrEqual(written);
      }
    };
    const leader = (): Member | undefined => members.find(({ replica }) => replica.role === 'primary');
    await check(members);
    await until('it is handed over', async () => {
      await leader()
        ?.replica.relinquish()
        .catch(() => {});
      return leader() !== undefined;
    });
    await check(members);
    const other = members.find((member) => member !== leader())!;
    await other.replica.promote();
    await check(members);
    const before = leader()!;
    await before.replica.close();
    await check(members.filter((member) => member !== before));
  });
});

it('are refused where leases are not allowed', async () => {
  const [{ replica }] = (await openCluster(1)) as [Member];
  expect(await codeOf(replica.read(null, { consistency: 'lease' }))).toBe('ERR_SYNOD_ARGUMENT not-applied');
  const wrong = openCluster(1, { leases: { clockDriftMax: 0.5 } });
  expect(await codeOf(wrong)).toMatch(/^ERR_SYNOD_OPTION/);
});
