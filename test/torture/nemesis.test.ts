import { describe, expect, it } from 'vitest';
import type { TortureCluster } from './cluster.js';
import type { Fault, FaultKind } from './faults/fault.js';
import { Nemesis } from './nemesis.js';
import { BlockedPairs } from './network/network.js';

const cluster = {} as TortureCluster;

interface Event {
  readonly what: 'inject' | 'heal' | 'healed';
  readonly kind: string;
}

function fakeKind(kind: string, events: Event[], more: Partial<FaultKind> = {}): FaultKind {
  return {
    kind,
    weight: 1,
    holdMs: [1, 20],
    obstacle: () => null,
    draw: async (): Promise<Fault> => ({
      kind,
      text: kind,
      inject: async () => void events.push({ what: 'inject', kind }),
      heal: async () => void events.push({ what: 'heal', kind }),
    }),
    ...more,
  };
}

async function run(seed: number, make: (events: Event[]) => FaultKind[], bursts: number) {
  const events: Event[] = [];
  const failures: string[] = [];
  let left = bursts;
  const nemesis: Nemesis = new Nemesis({
    kinds: make(events),
    seed,
    nowMs: () => 0,
    onHealed: async () => {
      events.push({ what: 'healed', kind: nemesis.active.join() });
      left -= 1;
      if (left === 0) nemesis.stop();
    },
    onFailure: (text) => {
      failures.push(text);
      nemesis.stop();
    },
  });
  await nemesis.torture(cluster, 20_000);
  return { events, failures, nemesis };
}

describe('the nemesis', () => {
  it('heals all that it injects before it lets the cluster recover', async () => {
    const { events, nemesis } = await run(1, (log) => ['x', 'y', 'z'].map((kind) => fakeKind(kind, log)), 3);
    let active = 0;
    for (const { what, kind } of events) {
      if (what === 'inject') active += 1;
      else if (what === 'heal') active -= 1;
      else expect([active, kind]).toEqual([0, '']);
    }
    const injected = [...nemesis.counts.values()].reduce((sum, count) => sum + count, 0);
    expect(injected).toBe(events.filter(({ what }) => what === 'inject').length);
    expect(injected).toBeGreaterThanOrEqual(3);
  });

  it('draws the same faults from the same seed', async () => {
    const kinds = async (seed: number): Promise<string[]> => {
      const { events } = await run(seed, (log) => ['x', 'y', 'z'].map((kind) => fakeKind(kind, log)), 3);
      return events.filter(({ what }) => what === 'inject').map(({ kind }) => kind);
    };
    expect(await kinds(5)).toEqual(await kinds(5));
  });

  it('has nothing else wrong beside an exclusive fault, and leaves out what cannot be had', async () => {
    const { events } = await run(
      2,
      (log) => [
        fakeKind('alone', log, { exclusive: true }),
        fakeKind('never', log, { obstacle: () => 'not here', weight: 100 }),
      ],
      3,
    );
    expect(events.map(({ what }) => what).join(' ')).toBe(
      Array.from({ length: 3 }, () => 'inject heal healed').join(' '),
    );
    expect(events.every(({ kind }) => kind !== 'never')).toBe(true);
  });

  it('reports a fault that had not the effect that it must have', async () => {
    const { failures } = await run(
      3,
      (log) => [
        fakeKind('damage', log, {
          draw: async () => ({
            kind: 'damage',
            text: 'damage c',
            inject: () => Promise.reject(new Error('c served all the same')),
            heal: async () => {},
          }),
        }),
      ],
      1,
    );
    expect(failures[0]).toBe('damage c: c served all the same');
  });
});

describe('blocked pairs', () => {
  it('stay blocked until the last fault that wants it is healed', () => {
    const changes: string[] = [];
    const pairs = new BlockedPairs((from, to, blocked) => changes.push(`${from}>${to} ${blocked}`));
    pairs.block('a', 'b');
    pairs.block('a', 'b');
    pairs.block('b', 'a');
    pairs.unblock('a', 'b');
    expect(changes).toEqual(['a>b true', 'b>a true']);
    pairs.unblock('a', 'b');
    expect(changes.at(-1)).toBe('a>b false');
    expect(() => pairs.unblock('a', 'b')).toThrow('a>b is not blocked');
  });
});
