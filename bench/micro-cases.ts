/** The microbenchmarks: what each case needs, and one call of it. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { crc32c as portableCrc32c } from '../src/checksum.js';
import { Bridge, type Delivery } from '../src/engine/bridge.js';
import { CommandBatch, createLogger, Replica, type StateMachine } from '../src/index.js';
import { RecordKind, SEGMENT_HEADER_BYTES } from '../src/log/format.js';
import { byteView, makeRecordHeader, recordSpan, writeRecordHeader } from '../src/log/record.js';
import type { SegmentHeader } from '../src/log/segment.js';
import { scanSegment } from '../src/log/segment-scan.js';
import { loadAddon } from '../src/native/addon.js';
import { openMedium } from '../src/storage/open-medium.js';
import { FrameWriter } from '../src/wire/codec.js';
import { Cluster, loadBuild } from '../test/contract-cost/cluster.js';
import { MediumDriver } from '../test/storage/driver.js';
import { freePort } from './free-port.js';
import type { Case } from './suite.js';

export interface Cases {
  readonly cases: readonly Case[];
  close(): Promise<void>;
}

/** Runs once on the way to the log and back. */
class Counter implements StateMachine<number> {
  count = 0;
  apply(decree: Parameters<StateMachine<number>['apply']>[0]): void {
    for (let index = 0; index < decree.count; index += 1) decree.reply(index, ++this.count);
  }
}

function checksumCases(): Case[] {
  const { addon } = loadAddon();
  const bytes = new Uint8Array(65_536).fill(7);
  const cases: Case[] = [];
  for (const size of [64, 1024, 65_536]) {
    cases.push({ name: `checksum, portable, ${size} B`, run: () => portableCrc32c(bytes, 0, size, 0) });
    if (addon === null) continue;
    cases.push({
      name: `checksum, ${addon.checksumKind}, ${size} B`,
      run: () => addon.crc32c(bytes, 0, size, 0),
    });
  }
  if (addon !== null) {
    cases.push({ name: 'boundary: a call with a typed array', run: () => addon.crc32c(bytes, 0, 0, 0) });
  }
  return cases;
}

function codecCases(): Case[] {
  const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
  const writer = new FrameWriter(crc32c);
  const target = byteView(new Uint8Array(4096));
  const header = { ...makeRecordHeader(), kind: RecordKind.accept, sequence: 2, ballot: 65_537, slot: 9 };
  const reply = {
    kind: 'heartbeat-reply',
    ballot: 65_537,
    round: 5,
    from: 9,
    through: 9,
    chosen: 8,
    standing: 0,
  } as const;
  return [
    {
      name: 'wire codec: frame of a reply to a heartbeat',
      run: () => writer.message(reply, 1, 0, 0),
    },
    { name: 'log: header of a record', run: () => writeRecordHeader(target, 0, header, crc32c) },
  ];
}

function scanCase(): Case {
  const crc32c = loadAddon().addon?.crc32c ?? portableCrc32c;
  const segmentBytes = 4 * 1024 * 1024;
  const payloadBytes = 4096 - 80;
  const image = byteView(new Uint8Array(segmentBytes));
  const header: SegmentHeader = {
    segment: 1,
    nonceLow: 1,
    nonceHigh: 2,
    firstSequence: 1,
    previous: 0,
    durable: 0,
    promised: 0,
    chosen: 0,
    startNumber: 1,
    segmentBytes,
    blockBytes: 64,
    createdAtMs: 0,
    diskIncarnation: new Uint8Array(16),
    cluster: 'c',
    replica: 'r',
    configuration: new Uint8Array(0),
  };
  let at = SEGMENT_HEADER_BYTES;
  let previous = 0;
  let count = 0;
  for (; at + recordSpan(payloadBytes) <= segmentBytes; at += recordSpan(payloadBytes)) {
    count += 1;
    const record = {
      ...makeRecordHeader(),
      kind: RecordKind.accept,
      sequence: count,
      slot: count,
      ballot: 65_537,
      payloadBytes,
      payloadChecksum: crc32c(image.bytes, at + 80, at + 80 + payloadBytes, 0),
      commandCount: 1,
      decreeKind: 1,
      segmentNonce: header.nonceLow,
      previous,
    };
    previous = writeRecordHeader(image, at, record, crc32c);
  }
  const expected = count;
  return {
    name: 'recovery scan',
    unit: 'MiB of log',
    operations: segmentBytes / 1024 / 1024,
    run: () => {
      const scan = scanSegment(image.bytes, { header, untilSequence: expected + 1, crc32c });
      if (scan.records.count !== expected) throw new Error(`${scan.records.count} records, not ${expected}`);
    },
  };
}

function handOverCases(): Case[] {
  const bridge = new Bridge();
  const delivery: Delivery = { slot: 0, memory: 0, offset: 0, bytes: 0, commands: 0, kind: 0 };
  let slot = 0;
  return [
    {
      name: 'ring hand-over of a decree, one thread',
      run: () => {
        slot += 1;
        bridge.deliver(slot, 0, 0, 64, 1, 0);
        if (!bridge.peekDelivery(delivery) || delivery.slot !== slot)
          throw new Error('not what was delivered');
        bridge.take();
      },
    },
  ];
}

async function appendCases(root: string, closers: (() => Promise<unknown>)[]): Promise<Case[]> {
  const cases: Case[] = [];
  for (const kind of ['memory', 'file', 'uring', 'pmem'] as const) {
    const directory = mkdtempSync(path.join(kind === 'pmem' ? '/dev/shm' : root, 'synod-micro-'));
    closers.push(async () => rmSync(directory, { recursive: true, force: true }));
    let driver: MediumDriver;
    try {
      const segmentBytes = 16 * 1024 * 1024;
      driver = new MediumDriver(openMedium({ kind, directory, segmentBytes, allowVolatile: true }));
      await driver.start();
    } catch (error) {
      process.stderr.write(`${kind} is left out: ${(error as Error).message}\n`);
      continue;
    }
    const memory = await driver.create(1);
    closers.unshift(() => driver.close());
    for (const size of [4096, 65_536, 262_144]) {
      let at = 0;
      cases.push({
        name: `log append, ${kind}, ${size} B`,
        isAsync: true,
        run: async () => {
          if (at + size > memory.bytes.length) at = 0;
          memory.bytes.fill(7, at, at + size);
          await driver.write(memory, at, at + size);
          at += size;
        },
      });
    }
  }
  return cases;
}

async function replicateCases(closers: (() => Promise<unknown>)[]): Promise<Case[]> {
  const cases: Case[] = [];
  for (const engine of ['inline', 'worker'] as const) {
    const port = await freePort();
    const replica = await Replica.open(
      {
        cluster: 'micro',
        replica: 'a',
        members: [{ id: 'a', address: `127.0.0.1:${port}` }],
        storage: { kind: 'memory' },
        transport: { kind: 'tcp' },
        engine,
        logger: createLogger({ replica: 'a', level: 'error' }),
      },
      new Counter(),
    );
    closers.unshift(() => replica.close());
    const command = new Uint8Array(64).fill(7);
    const many = 1000;
    const list = new Array<Uint8Array>(many).fill(command);
    const batch = new CommandBatch();
    for (const one of list) batch.add(one);
    const start = `replicate to apply, one member, memory, ${engine}`;
    cases.push(
      { name: `${start}: one command`, isAsync: true, run: () => replica.replicate(command) },
      {
        name: `${start}: 1000 with a promise each`,
        unit: 'command',
        operations: many,
        isAsync: true,
        run: () => Promise.all(list.map((one) => replica.replicate(one))),
      },
      {
        name: `${start}: an array of 1000`,
        unit: 'command',
        operations: many,
        isAsync: true,
        run: () => replica.replicateBatch(list),
      },
      {
        name: `${start}: a CommandBatch of 1000`,
        unit: 'command',
        operations: many,
        isAsync: true,
        run: () => replica.replicateBatch(batch),
      },
    );
  }
  return cases;
}

export async function makeCases(): Promise<Cases> {
  const closers: (() => Promise<unknown>)[] = [];
  const build = await loadBuild(path.resolve('dist'));
  const protocol = new Cluster(build, false);
  const withFrames = new Cluster(build, true);
  const decrees = 100;
  const cases: Case[] = [
    {
      name: 'protocol step: a decree through three replicas',
      unit: 'decree',
      operations: decrees,
      run: () => protocol.run(decrees),
    },
    {
      name: 'the same with frames and records',
      unit: 'decree',
      operations: decrees,
      run: () => withFrames.run(decrees),
    },
    ...codecCases(),
    ...checksumCases(),
    scanCase(),
    ...handOverCases(),
    ...(await appendCases(tmpdir(), closers)),
    ...(await replicateCases(closers)),
  ];
  return {
    cases,
    close: async () => {
      for (const close of closers) await close();
    },
  };
}
