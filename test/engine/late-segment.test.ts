/**
 * Where the next segment is late, or the disk is full, nobody is fenced for what nobody asks room for (the promise of a ballot of its own), nor
 * for a configuration that is longer than was counted. Method: the real protocol and the real log writer, turns by hand.
 */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { appendRecord } from '../../src/engine/append-record.js';
import type { LogWriter } from '../../src/engine/log-writer.js';
import { HeapPlace } from '../../src/engine/places.js';
import { CONFIGURATION_COOKIE_BYTES_MAX } from '../../src/limits.js';
import { RecordKind } from '../../src/log/format.js';
import { bytesInLog, configurationDecree, type DecreeReference } from '../../src/protocol/decree.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { b, configurationOf, contractOf, decree, Scene } from '../protocol/harness.js';
import { LogRig } from './log-rig.js';

const DECREE_BYTES_MAX = 8192;
const BLOCK_BYTES = 4096;
const cookie = Buffer.alloc(CONFIGURATION_COOKIE_BYTES_MAX, 7).toString('base64');
const changeTo = (ids: readonly string[]) => ({
  request: 1,
  members: ids.map((id) => ({ id, address: 'host:1' })),
  cookie,
  force: false,
  ifNumber: 0,
});

/** A log at the end of a turn, as full as it may be for `stillHas`; no segment comes to be behind this one. */
function lateSegment(blockBytes: number, stillHas: (log: LogWriter) => boolean): LogWriter {
  const full = (): LogRig => {
    const rig = new LogRig({ blockBytes, segmentBytes: 256 * 1024 });
    rig.log.roll();
    rig.log.flush();
    return rig;
  };
  const pad = (log: LogWriter): void => {
    log.append(RecordKind.genesis, 0, 0, 0, new Uint8Array(64));
    log.flush();
  };
  const { log: probe } = full();
  let pads = -1;
  for (; stillHas(probe); pads += 1) pad(probe);
  const { log } = full();
  for (let index = 0; index < pads; index += 1) pad(log);
  expect(stillHas(log)).toBe(true);
  expect(log.hasStandby).toBe(false);
  return log;
}

/** A turn of the engine: effects by the room that there is, then the flush. */
function turn(scene: Scene, log: LogWriter): void {
  for (const effect of scene.replica.takeEffects(log.room))
    if (effect.kind === 'append') {
      appendRecord(log, effect.record, effect.write, crc32c);
      scene.replica.step({ kind: 'durable', write: effect.write }, scene.now);
    }
  log.flush();
}

describe.each([64, BLOCK_BYTES])('a log in blocks of %i bytes whose next segment is late', (blockBytes) => {
  it('does not fence a primary when a configuration that had room is chosen', () => {
    const next = { ...configurationOf(2), cookie };
    const log = lateSegment(blockBytes, ({ room }) => room >= bytesInLog(configurationDecree(next)));
    const a = new Scene({ id: 'a' }).toPrimary();
    a.replica.step({ kind: 'change', change: changeTo(['a', 'b']) }, a.now);
    turn(a, log);
    turn(a, log);
    expect(a.replica.accepted.size).toBe(1);
    const accepted = { kind: 'accepted', ballot: a.replica.promised, from: 1, through: 1 } as const;
    a.replica.step(a.from(2, accepted), a.now);
    expect(contractOf(() => turn(a, log))).toBe('none');
    expect(a.replica.configuration?.number).toBe(2);
  });

  it('does not fence a secondary that is promoted behind an accept that had room', () => {
    // As FrameIntake asks.
    const log = lateSegment(blockBytes, (one) => one.hasRoom(DECREE_BYTES_MAX, 3));
    const secondary = new Scene({ id: 'b' }).toSecondaryOf(1);
    const payload = new Uint8Array(DECREE_BYTES_MAX);
    const big: DecreeReference = {
      ...decree('big', DECREE_BYTES_MAX),
      checksum: crc32c(payload, 0, payload.length, 0),
      source: new HeapPlace([payload]),
    };
    secondary.receive(1, { kind: 'heartbeat', ballot: b(1, 1), chosen: 0, round: 1 });
    const accept = { kind: 'accept', ballot: b(1, 1), slot: 1, chosen: 0, decree: big } as const;
    secondary.replica.step(secondary.from(1, accept), secondary.now);
    turn(secondary, log);
    expect(secondary.replica.accepted.size).toBe(1);
    // Its disk has not stalled for half an election timeout, and is not known to be full.
    secondary.replica.step({ kind: 'promote', request: 1, evenIfBehind: true }, secondary.now);
    expect(contractOf(() => turn(secondary, log))).toBe('none');
  });
});

describe('a member set with a cookie of the greatest length', () => {
  it('takes no more of the log than the protocol counts for it', () => {
    const next = { ...configurationOf(7), number: 2, cookie };
    expect(encodeConfiguration(next).length).toBeLessThanOrEqual(bytesInLog(configurationDecree(next)));
  });

  it('waits for room where the log has less', () => {
    const bytes = bytesInLog(configurationDecree({ ...configurationOf(3), cookie }));
    const log = lateSegment(64, ({ room }) => room >= bytes - 1000);
    const a = new Scene({ id: 'a' }).toPrimary();
    a.replica.step({ kind: 'change', change: changeTo(['a', 'b', 'c']) }, a.now);
    expect(contractOf(() => turn(a, log))).toBe('none');
    expect(a.replica.accepted.size).toBe(0);
  });
});

it('a segment takes the greatest decree that options allow, and what is kept behind it', () => {
  const { log } = new LogRig({ blockBytes: BLOCK_BYTES, segmentBytes: 1 << 20 });
  expect(log.payloadBytesMax).toBeGreaterThanOrEqual(log.segmentBytes - 24 * 1024);
  expect(log.hasRoom(log.payloadBytesMax, 3)).toBe(true);
});
