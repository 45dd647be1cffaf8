/** Memory is not given to somebody else while anyone may still read from it or has to have room in it. */

import { expect, test } from 'vitest';
import { BlockState, Bridge } from '../../src/engine/bridge.js';
import { Grants } from '../../src/engine/grants.js';
import { LogKeeper } from '../../src/engine/log-keeper.js';
import { silentLogger } from '../application/support.js';
import { LogRig } from './log-rig.js';

const DECREE_BYTES_MAX = 8192;

/** A batch of `count` commands from `first` on, in chunk `chunk` of the outbox. */
function put(bridge: Bridge, index: number, chunk: number, first: number, count: number): void {
  bridge.writeBlock(index, -1 - chunk, 0, 100, count, first);
  bridge.setBlockState(index, BlockState.ready);
}

test('the outbox of executed commands is given back in order, but not while a connection refers to it', () => {
  const bridge = new Bridge();
  const grants = new Grants(bridge, new LogRig().log, DECREE_BYTES_MAX);
  put(bridge, 0, 0, 1, 3);
  put(bridge, 1, 1, 4, 2);
  while (grants.hasReady) grants.take();
  expect(grants.settle(5)).toEqual({ count: 2, bytes: 200 });
  // The blocks are free at once, the memory is not.
  expect(bridge.blockState(0)).toBe(BlockState.free);
  expect(grants.hasExecuted).toBe(true);
  grants.release(new Set([-1]));
  expect(bridge.released).toBe(0);
  grants.release(new Set([-2]));
  expect(bridge.released).toBe(3);
  grants.release(new Set());
  expect(bridge.released).toBe(5);
  expect(grants.hasExecuted).toBe(false);
});

test('a segment that was lent whole and taken back leaves room for records: another one was made when it began', () => {
  const rig = new LogRig({ segmentBytes: 32 * 1024, blockBytes: 4096 });
  const { log, medium, recovered } = rig;
  const keeper = new LogKeeper({
    medium,
    log,
    recovered,
    logger: silentLogger,
    now: () => 0,
    onFull: () => {},
    reclaimTail: () => true,
    onMemoryGone: () => {},
  });
  const bridge = new Bridge();
  const grants = new Grants(bridge, log, DECREE_BYTES_MAX);
  log.roll();
  // As the engine does when a segment becomes the one that is written to.
  keeper.onRolled();
  rig.queue.run();
  log.padToBlock();
  grants.lend();
  // A batch in each block, as far as they go, and none of them proposed.
  const { grantStart, grantLimit, grantSegment } = bridge;
  let index = 0;
  for (let at = grantStart; at + 4096 <= grantLimit; at += 4096) {
    bridge.writeBlock(index, grantSegment, at + 112, 60, 1, index + 1);
    bridge.setBlockState(index, BlockState.ready);
    index += 1;
  }
  grants.revoke();
  expect(log.segmentBytes - log.tail).toBeLessThanOrEqual(DECREE_BYTES_MAX);
  expect(log.hasRoom(DECREE_BYTES_MAX)).toBe(true);
});

test('what is lent is no room of the log, and without another segment some is never lent', () => {
  const rig = new LogRig({ segmentBytes: 128 * 1024 });
  const { log } = rig;
  const bridge = new Bridge();
  const grants = new Grants(bridge, log, DECREE_BYTES_MAX);
  log.roll();
  log.padToBlock();
  expect(log.hasStandby).toBe(false);
  grants.lend();
  expect(grants.isOpen).toBe(true);
  expect(log.hasRoom(DECREE_BYTES_MAX)).toBe(true);
  expect(log.hasRoom(64 * 1024)).toBe(false);
  const { grantStart, grantLimit, grantSegment } = bridge;
  bridge.writeBlock(0, grantSegment, grantStart + 112, grantLimit - grantStart - 112, 1, 1);
  bridge.setBlockState(0, BlockState.ready);
  grants.revoke();
  expect(log.tail).toBeGreaterThan(grantLimit);
  expect(log.hasRoom(DECREE_BYTES_MAX)).toBe(true);
});

test('all of the segment is lent as soon as there is another one', () => {
  const rig = new LogRig({ segmentBytes: 128 * 1024 });
  const { log } = rig;
  const bridge = new Bridge();
  const grants = new Grants(bridge, log, DECREE_BYTES_MAX);
  log.roll();
  log.padToBlock();
  grants.lend();
  const short = bridge.grantLimit;
  expect(grants.isShort).toBe(false);
  log.prepareStandby();
  rig.queue.run();
  expect(grants.isShort).toBe(true);
  const { grantEpoch } = bridge;
  grants.extend();
  expect(grants.isShort).toBe(false);
  // The same grant: a batch that is being written there stays where it is.
  expect(bridge.grantEpoch).toBe(grantEpoch);
  expect(bridge.grantLimit).toBeGreaterThan(short + DECREE_BYTES_MAX);
});
