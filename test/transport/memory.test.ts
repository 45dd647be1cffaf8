import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createMemoryNetwork } from '../../src/transport/memory/memory-network.js';
import { describeTransport } from './conformance.js';
import { Endpoint } from './endpoint.js';

describeTransport('memory', () => {
  const network = createMemoryNetwork({ auto: true });
  return {
    near: network.transport('near'),
    far: network.transport('far'),
    silent: async () => {
      const dark = new Endpoint(network.transport('dark'));
      await dark.listen();
      network.cut('near', 'dark');
      return { address: dark.address, dials: 3, stop: () => network.heal('near', 'dark') };
    },
  };
});

describe('memory network', () => {
  /** Delivers until quiet; yields the rounds it took. */
  function settle(network: { deliver(): number }): number {
    let rounds = 0;
    while (network.deliver() > 0) rounds++;
    return rounds;
  }

  function world(split?: (available: number) => number) {
    const network = createMemoryNetwork({
      ...(split === undefined ? {} : { split }),
      startTimer: (_timeoutMs, expired) => {
        timers.add(expired);
        return () => timers.delete(expired);
      },
    });
    const timers = new Set<() => void>();
    const near = new Endpoint(network.transport('near'));
    const far = new Endpoint(network.transport('far'));
    void near.listen();
    void far.listen({ host: 'far', port: 7 });
    settle(network);
    return { network, near, far, timers };
  }

  test('nothing happens but in deliver', () => {
    const { network, near, far } = world();
    near.connect(far.address, 1);
    expect(near.connections).toHaveLength(0);
    settle(network);
    const [there] = near.connections;
    near.send(there!, new Uint8Array(5));
    expect(settle(network)).toBe(0);
    near.flush();
    expect(far.bytesFrom(far.connections[0]!)).toBe(0);
    expect(settle(network)).toBe(1);
    expect(far.bytesFrom(far.connections[0]!)).toBe(5);
  });

  test('the same calls give the same trace, whatever the splits', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 50 })), (splits) => {
        const sizes = [...Array(100)].map(() => splits.next().value as number);
        const run = (): string[] => {
          let index = 0;
          const { network, near, far } = world(() => sizes[index++ % sizes.length] as number);
          const trace: string[] = [];
          far.onBytes = (_connection, _bytes, start, end) => trace.push(`received ${end - start}`);
          near.onSent = (_connection, count) => trace.push(`sent ${count}`);
          near.connect(far.address, 1);
          settle(network);
          for (let message = 0; message < 10; message++) {
            near.send(near.connections[0]!, new Uint8Array(7), new Uint8Array(31));
          }
          near.flush();
          settle(network);
          expect(far.bytesFrom(far.connections[0]!)).toBe(380);
          return trace;
        };
        expect(run()).toEqual(run());
      }),
    );
  });

  test('a cut link holds bytes, a healed one delivers them', () => {
    const { network, near, far } = world();
    near.connect(far.address, 1);
    settle(network);
    network.cut('far', 'near');
    near.send(near.connections[0]!, new Uint8Array(9), new Uint8Array(1));
    near.flush();
    settle(network);
    expect(near.connections[0]!.queuedBytes).toBe(10);
    expect(near.sentTo(near.connections[0]!)).toBe(0);
    network.heal('near', 'far');
    settle(network);
    expect(far.bytesFrom(far.connections[0]!)).toBe(10);
    expect(near.sentTo(near.connections[0]!)).toBe(1);
  });

  test('a close behind a cut is heard of when the link heals', () => {
    const { network, near, far } = world();
    near.connect(far.address, 1);
    settle(network);
    network.cut('far', 'near');
    near.closeConnection(near.connections[0]!, 'gone');
    settle(network);
    expect(near.closed.size).toBe(1);
    expect(far.closed.size).toBe(0);
    network.heal('far', 'near');
    settle(network);
    expect(far.closed.size).toBe(1);
    expect(far.violations).toEqual([]);
  });

  test('a dial into a cut link waits for the heal, or for its timer', () => {
    const { network, near, far, timers } = world();
    network.cut('far', 'near');
    near.connect(far.address, 1);
    near.connect(far.address, 2);
    settle(network);
    expect(timers.size).toBe(2);
    [...timers][0]!();
    settle(network);
    expect(near.failures).toMatchObject([{ token: 1, error: { code: 'ERR_SYNOD_TIMEOUT' } }]);
    network.heal('far', 'near');
    settle(network);
    expect(near.connections).toHaveLength(1);
    expect(timers.size).toBe(0);
  });

  test('a reset closes both ends', () => {
    const { network, near, far } = world();
    near.connect(far.address, 1);
    settle(network);
    near.send(near.connections[0]!, new Uint8Array(9), new Uint8Array(1));
    network.reset('near', 'far');
    settle(network);
    expect([...near.closed.values(), ...far.closed.values()]).toEqual([
      'reset by the network',
      'reset by the network',
    ]);
    expect(near.sentTo(near.connections[0]!)).toBe(1);
  });

  test('an address in use is refused, and is free again after close', async () => {
    const { network, far } = world();
    const third = new Endpoint(network.transport('third'));
    const refused = third.listen({ host: 'far', port: 7 });
    settle(network);
    await expect(refused).rejects.toMatchObject({ code: 'ERR_SYNOD_LISTEN' });
    const closed = far.close();
    settle(network);
    await closed;
    const fourth = new Endpoint(network.transport('far'));
    const listening = fourth.listen({ host: 'far', port: 7 });
    settle(network);
    await expect(listening).resolves.toEqual({ host: 'far', port: 7 });
  });
});
