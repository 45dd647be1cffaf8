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
