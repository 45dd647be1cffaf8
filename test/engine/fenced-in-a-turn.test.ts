/**
 * Aim: an engine that is fenced in the middle of a turn, because a peer says that its disk was set back, say, sends nothing of that turn: it must
 * not vote any more. Method: a whole engine over a log in memory and a transport that counts; the clock fences it when it is looked at.
 */

import { expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { Bridge } from '../../src/engine/bridge.js';
import { Engine } from '../../src/engine/engine.js';
import { type RecoveredLog, recoverLog } from '../../src/engine/recover.js';
import { SynodError } from '../../src/errors.js';
import { completeLimits } from '../../src/limits.js';
import { createMemoryMedium } from '../../src/storage/memory/memory-medium.js';
import type { Transport } from '../../src/transport/transport.js';
import { silentLogger } from '../application/support.js';

const SEGMENT_BYTES = 1 << 20;

class Rig {
  readonly engine: Engine;
  flushes = 0;
  /** Looked at for the so-many-th time from here on, the clock fences the engine. 0: never. */
  fenceAt = 0;
  #now = 0;
  readonly #calls: (() => void)[] = [];

  constructor() {
    const contents = new Map();
    const defer = (call: () => void): void => void this.#calls.push(call);
    const medium = createMemoryMedium({ segmentBytes: SEGMENT_BYTES, blockBytes: 64, contents, defer });
    const fail = (error: Error): never => {
      throw error;
    };
    medium.start({ onPersisted: (ticket) => this.engine.onPersisted(ticket), onFailure: fail }, () => {});
    this.#run();
    let recovered: RecoveredLog | undefined;
    recoverLog(medium, [], { cluster: 'test', replica: 'a' }, crc32c, (_error, found) => {
      recovered = found;
    });
    this.#run();
    const transport: Transport = {
      kind: 'memory',
      reason: 'a test',
      listen: () => {},
      connect: () => {},
      flush: () => {
        this.flushes += 1;
      },
      close: () => {},
    };
    this.engine = new Engine({
      options: {
        cluster: 'test',
        replica: 'a',
        members: [{ id: 'a', address: { host: '127.0.0.1', port: 1 } }],
        electionTimeoutMs: 300,
        heartbeatMs: 30,
        leadership: { priority: 0, standsWhileCatchingUp: true },
        limits: completeLimits({}, SEGMENT_BYTES),
      },
      medium,
      transport,
      bridge: new Bridge(),
      recovered: recovered!,
      diskIncarnation: new Uint8Array(16).fill(7),
      logger: silentLogger,
      crc32c,
      copy: (target, at, source, start, end) => target.set(source.subarray(start, end), at),
      bytesCopied: () => 0,
      now: () => this.#look(),
      wallNow: () => 0,
      random: () => 0.5,
      drawNonce: () => [1, 2],
      schedule: () => {},
      later: () => {},
      wakeApplication: () => {},
      emit: () => {},
      outbox: () => new Uint8Array(0),
    });
    this.engine.start(() => {});
    for (let turn = 0; turn < 5; turn += 1) {
      this.#run();
      this.engine.turn();
    }
  }

  #run(): void {
    for (let call = this.#calls.shift(); call !== undefined; call = this.#calls.shift()) call();
  }

  #look(): number {
    this.#now += 1;
    this.fenceAt -= 1;
    if (this.fenceAt === 0) this.engine.fence(new SynodError('ERR_SYNOD_FENCED', 'its disk was set back'));
    return this.#now;
  }
}

it('nothing of that turn is sent', () => {
  let fenced = 0;
  for (let look = 1; look < 50; look += 1) {
    const rig = new Rig();
    const before = rig.flushes;
    rig.fenceAt = look;
    rig.engine.tick();
    if (!rig.engine.isFenced) {
      expect(rig.flushes).toBe(before + 1);
      break;
    }
    expect(rig.flushes - before, `look ${look}`).toBe(0);
    fenced += 1;
  }
  expect(fenced).toBeGreaterThan(2);
});
