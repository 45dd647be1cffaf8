/** The parts of the simulated world, each by itself. */

import { describe, expect, test } from 'vitest';
import { Random } from '../properties/random.js';
import { parseArguments } from './arguments.js';
import { MachineClock } from './clock.js';
import { Disk, type DiskModel, type InFlight } from './disk.js';
import { EventQueue } from './event-queue.js';
import { SimulatedMedium } from './medium.js';
import { Network } from './network.js';
import { drawScript } from './script.js';
import { ProcessDied, Thread } from './thread.js';
import { SimulatedTransport } from './transport.js';

describe('the event queue', () => {
  test('does what is due in order of time, and of scheduling at one time', () => {
    const events = new EventQueue();
    const random = new Random(1);
    const done: string[] = [];
    const expected: { at: number; order: number }[] = [];
    for (let order = 0; order < 500; order += 1) {
      const at = random.below(50);
      expected.push({ at, order });
      events.at(at, () => void done.push(`${at} ${order}`));
    }
    expected.sort((a, b) => a.at - b.at || a.order - b.order);
    while (events.step(100));
    expect(done).toEqual(expected.map(({ at, order }) => `${at} ${order}`));
    expect(events.now).toBe(100);
  });

  test('stops before what is later, and goes on from there', () => {
    const events = new EventQueue();
    let calls = 0;
    events.at(10, () => {
      calls += 1;
      events.after(5, () => {
        calls += 1;
      });
    });
    expect(events.step(9)).toBe(false);
    expect(events.now).toBe(9);
    expect(events.step(20)).toBe(true);
    expect(events.step(20)).toBe(true);
    expect(events.step(20)).toBe(false);
    expect(calls).toBe(2);
  });
});

test('a clock drifts and jumps and never goes back; only the wall clock does', () => {
  const events = new EventQueue();
  const clock = new MachineClock(events);
  while (events.step(100));
  expect(clock.steady).toBe(100);
  clock.setRate(0.5);
  while (events.step(200));
  expect(clock.steady).toBe(150);
  expect(clock.worldMs(10)).toBe(20);
  clock.jump(1000);
  expect(clock.steady).toBe(1150);
  const before = clock.wall;
  clock.stepWall(-3_600_000);
  expect(clock.wall).toBe(before - 3_600_000);
  expect(clock.steady).toBe(1150);
});

describe('a thread', () => {
  test('does what came while it stood still, in order, when it goes on', () => {
    const events = new EventQueue();
    const thread = new Thread(events);
    const done: number[] = [];
    thread.run(() => void done.push(1));
    thread.stand(50);
    thread.run(() => void done.push(2));
    thread.run(() => void done.push(3));
    while (events.step(49));
    expect(done).toEqual([1]);
    while (events.step(60));
    expect(done).toEqual([1, 2, 3]);
  });

  test('finishes its piece of work and what comes behind it before the next', () => {
    const events = new EventQueue();
    const thread = new Thread(events);
    const done: string[] = [];
    thread.run(() => {
      thread.afterwards(() => void done.push('afterwards'));
      thread.run(() => void done.push('next'));
      done.push('work');
    });
    while (events.step(1));
    expect(done).toEqual(['work', 'afterwards', 'next']);
  });

  test('dies in the middle of a call, and does nothing more', () => {
    const events = new EventQueue();
    const thread = new Thread(events);
    let calls = 0;
    thread.run(() => {
      thread.die();
      throw new ProcessDied();
    });
    thread.run(() => {
      calls += 1;
    });
    while (events.step(1));
    expect(calls).toBe(0);
  });
});

const model: DiskModel = {
  blockBytes: 512,
  tearBytes: 512,
  isMapped: false,
  writeMs: [1, 2],
  segmentBytes: 8192,
};

function filled(value: number): Uint8Array {
  return new Uint8Array(model.segmentBytes).fill(value);
}

function write(disk: Disk, from: number, to: number, value: number): InFlight {
  if (!disk.segments.has(0)) disk.create(0);
  return { segment: 0, memory: filled(value), from, to };
}

describe('a disk', () => {
  test('keeps what landed, and only that', () => {
    const disk = new Disk('one', model);
    disk.land(write(disk, 512, 2048, 7), new Random(1));
    const bytes = disk.segments.get(0)!;
    expect([...new Set(bytes.subarray(512, 2048))]).toEqual([7]);
    expect(bytes[511]).toBe(0);
    expect(bytes[2048]).toBe(0);
    expect(disk.isDamaged).toBe(false);
  });

  test('tears an interrupted write at whole sectors, in every way', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed += 1) {
      const disk = new Disk('one', model);
      disk.interrupt([write(disk, 0, 2048, 7)], new Random(seed));
      const bytes = disk.segments.get(0)!;
      let shape = '';
      for (let at = 0; at < 2048; at += 512) {
        const values = new Set(bytes.subarray(at, at + 512));
        expect(values.size).toBe(1);
        shape += values.has(7) ? 'x' : '.';
      }
      seen.add(shape);
    }
    expect(seen.size).toBe(16);
  });

  test('loses, cuts and misplaces a write when told to, once, and is known to be damaged', () => {
    for (const fault of ['lost', 'stale-piece', 'misdirected'] as const) {
      const disk = new Disk('one', model);
      const random = new Random(3);
      const first = write(disk, 0, 4096, 7);
      disk.nextWriteFault = fault;
      expect(disk.isSuspect).toBe(true);
      disk.land(first, random);
      expect(disk.isDamaged).toBe(true);
      const sevens = disk.segments.get(0)!.filter((byte) => byte === 7).length;
      expect(sevens).toBe({ lost: 0, 'stale-piece': 3584, misdirected: 4096 }[fault]);
      disk.land(write(disk, 0, 4096, 8), random);
      expect(
        disk.segments
          .get(0)!
          .subarray(0, 4096)
          .every((byte) => byte === 8),
      ).toBe(true);
    }
  });

  test('is what it was when it is set back', () => {
    const disk = new Disk('one', model);
    disk.land(write(disk, 0, 512, 7), new Random(1));
    const snapshot = disk.snapshot();
    disk.land(write(disk, 0, 512, 8), new Random(1));
    disk.restore(snapshot);
    expect(disk.segments.get(0)![0]).toBe(7);
  });
});

describe('a medium', () => {
  function open(disk: Disk) {
    const events = new EventQueue();
    const tickets: number[] = [];
    const failures: string[] = [];
    let steps = 0;
    const medium = new SimulatedMedium({
      disk,
      events,
      random: new Random(5),
      thread: new Thread(events),
      onStep: () => {
        steps += 1;
      },
      onWrite: () => {},
      onDurable: () => {},
    });
    medium.start(
      {
        onPersisted: (ticket) => void tickets.push(ticket),
        onFailure: (error) => void failures.push(error.code),
      },
      () => {},
    );
    return { events, medium, tickets, failures, steps: () => steps };
  }

  test('reports writes in order, once they are on the disk', () => {
    const disk = new Disk('one', model);
    const { events, medium, tickets, steps } = open(disk);
    medium.create(0, (_, memory) => {
      memory!.bytes.fill(9);
      for (let ticket = 1; ticket <= 8; ticket += 1)
        medium.persist(memory!, (ticket - 1) * 512, ticket * 512, ticket);
      medium.flush();
      expect(tickets).toEqual([]);
    });
    while (events.step(1000));
    expect(tickets.at(-1)).toBe(8);
    expect([...tickets].sort((a, b) => a - b)).toEqual(tickets);
    expect(
      disk.segments
        .get(0)!
        .subarray(0, 4096)
        .every((byte) => byte === 9),
    ).toBe(true);
    expect(steps()).toBeGreaterThan(16);
  });

  test('reports nothing after a write that failed', () => {
    const disk = new Disk('one', model);
    const { events, medium, tickets, failures } = open(disk);
    medium.create(0, (_, memory) => {
      disk.failsNext = true;
      medium.persist(memory!, 0, 512, 1);
      medium.flush();
      medium.persist(memory!, 512, 1024, 2);
      medium.flush();
    });
    while (events.step(1000));
    expect(failures).toEqual(['ERR_SYNOD_STORAGE_FAILED']);
    expect(tickets).toEqual([]);
  });

  test('says that it is full, and waits while it is stalled', () => {
    const disk = new Disk('one', model);
    const { events, medium } = open(disk);
    disk.fullUntil = 100;
    disk.stalledUntil = 50;
    const answers: string[] = [];
    medium.create(0, (error) => void answers.push(`${events.now >= 50} ${error?.code}`));
    events.at(200, () => medium.create(0, (error) => void answers.push(String(error))));
    while (events.step(1000));
    expect(answers).toEqual(['true ERR_SYNOD_STORAGE_FULL', 'null']);
  });
});

describe('the network', () => {
  function pair(split = 0) {
    const events = new EventQueue();
    const network = new Network(2, events, new Random(9), {
      delayMs: [1, 5],
      tail: 0,
      tailMs: 0,
      split,
      windowBytes: 1024,
    });
    const received: string[][] = [[], []];
    const closed: string[][] = [[], []];
    const connections: Parameters<Parameters<SimulatedTransport['listen']>[0]['onConnection']>[0][][] = [
      [],
      [],
    ];
    const transports = [0, 1].map((machine) => {
      const transport = new SimulatedTransport({
        network,
        machine,
        thread: new Thread(events),
        onStep: () => {},
        onSend: () => {},
      });
      transport.listen(
        {
          onConnection: (connection) => void connections[machine]!.push(connection),
          onConnectFailed: (_, error) => void closed[machine]!.push(error.code),
          onReceived: (connection, bytes, start, end, lease) => {
            received[machine]!.push(Buffer.from(bytes.subarray(start, end)).toString('latin1'));
            connection.release(lease);
          },
          onPayloadsSent: () => {},
          onClosed: (_, reason) => void closed[machine]!.push(reason),
          onTurnEnd: () => {},
        },
        Network.address(machine),
        () => {},
      );
      return transport;
    });
    while (events.step(1));
    transports[0]!.connect(Network.address(1), 7, 1000);
    return { events, network, transports, received, closed, connections };
  }

  const send = (world: ReturnType<typeof pair>, text: string): void => {
    const bytes = Buffer.from(text, 'latin1');
    world.connections[0]![0]!.send(bytes, 1, bytes, 1, bytes.length);
    world.transports[0]!.flush();
  };

  test.each([0, 0.7])('keeps the order of a connection, split in pieces or not (%s)', (split) => {
    const world = pair(split);
    while (world.events.step(100));
    let expected = '';
    for (let index = 0; index < 50; index += 1) {
      expected += `<${index}>`;
      send(world, `<${index}>`);
    }
    while (world.events.step(1000));
    expect(world.received[1]!.join('')).toBe(expected);
  });

  test('holds what is sent over a blocked link until it is open again', () => {
    const world = pair();
    while (world.events.step(100));
    world.network.block(0, 1, 500);
    send(world, 'late');
    while (world.events.step(499));
    expect(world.received[1]).toEqual([]);
    while (world.events.step(600));
    expect(world.received[1]).toEqual(['late']);
  });

  test('a reset closes both ends', () => {
    const world = pair();
    while (world.events.step(100));
    send(world, 'lost');
    world.network.reset(0, 1);
    while (world.events.step(1000));
    expect(world.received[1]).toEqual([]);
    expect(world.closed).toEqual([['reset by the network'], ['reset by the network']]);
  });

  test('a dial into a partition gives up in time', () => {
    const world = pair();
    while (world.events.step(100));
    world.network.block(1, 0, 5000);
    world.transports[0]!.connect(Network.address(1), 8, 200);
    while (world.events.step(1000));
    expect(world.closed[0]).toEqual(['ERR_SYNOD_TIMEOUT']);
  });

  test('flips one bit of one delivery when told to', () => {
    const world = pair();
    while (world.events.step(100));
    world.network.setFault(0, 1, 'flip', 1);
    send(world, 'aaaa');
    send(world, 'aaaa');
    while (world.events.step(1000));
    const wrong = Buffer.from(world.received[1]!.join(''), 'latin1').filter((byte) => byte !== 97);
    expect(wrong.length).toBe(1);
  });
});

test('scripts differ by seed, and are the same for the same one', () => {
  expect(drawScript(5, 'recoverable')).toEqual(drawScript(5, 'recoverable'));
  const kinds = new Set<string>();
  for (let seed = 0; seed < 300; seed += 1)
    for (const fault of drawScript(seed, 'unbounded').faults) kinds.add(fault.kind);
  expect(kinds.size).toBe(31);
});

test('bad arguments are named', () => {
  expect(() => parseArguments(['--seeds', 'many'])).toThrow('--seeds');
  expect(() => parseArguments(['--seed', '1', '--seeds', '2'])).toThrow('exclude');
  expect(() => parseArguments(['--mode', 'wild'])).toThrow('--mode');
  expect(() => parseArguments(['--sneed', '1'])).toThrow();
  expect(parseArguments(['--seeds', '3', '--jobs', '2']).jobs).toBe(2);
});
