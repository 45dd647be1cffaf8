/** What is lent of the log's tail, and taken back. */

import { expect, test } from 'vitest';
import { BlockState, Bridge } from '../../src/engine/bridge.js';
import { Grants } from '../../src/engine/grants.js';
import { RECORD_BYTES } from '../../src/protocol/decree.js';
import { LogRig } from './log-rig.js';

const BLOCK_BYTES = 64;

/** A grant of which `left` bytes are not used up, and a burst under way. */
function burstAtTheEnd(left: number): { rig: LogRig; grants: Grants; bridge: Bridge } {
  const rig = new LogRig({ blockBytes: BLOCK_BYTES });
  rig.log.roll();
  const bridge = new Bridge();
  const grants = new Grants(bridge, rig.log, 4096);
  grants.lend();
  if (rig.log.tail < rig.log.lentEnd - left) rig.log.skipTo(rig.log.lentEnd - left);
  expect(bridge.changeBlockState(0, BlockState.free, BlockState.writing)).toBe(true);
  return { rig, grants, bridge };
}

// Nothing that the application may be writing is written over; what is too small for a batch is not passed over.
test.each([
  [0, 0],
  [BLOCK_BYTES, 0],
  [2 * BLOCK_BYTES, 2 * BLOCK_BYTES],
  [4096, 4096],
  [32_000, 4096 + 3 * BLOCK_BYTES],
])('is taken back in the middle of a burst with %d bytes of it left: %d are passed over', (left, passed) => {
  const { rig, grants, bridge } = burstAtTheEnd(left);
  const { tail, lentEnd } = rig.log;
  expect(lentEnd - tail).toBe(left);
  grants.revoke();
  expect(grants.isOpen).toBe(false);
  expect(bridge.blockState(0)).toBe(BlockState.revoked);
  expect(rig.log.tail - tail).toBe(passed);
});

// Else a primary whose disk is full, or late with the next segment, would read no frames, not even votes, as long as it lends.
test.each([1, 79, 80, 3392, 3616, 4095])(
  'what is not lent has room for a decree, where there is no other segment: of 5 blocks and %i bytes',
  (more) => {
    for (const blockBytes of [64, 512, 4096]) {
      const decreeBytesMax = 5 * 4096 + more;
      const rig = new LogRig({ blockBytes, segmentBytes: 256 * 1024 });
      rig.log.roll();
      rig.log.flush();
      const grants = new Grants(new Bridge(), rig.log, decreeBytesMax);
      grants.lend();
      expect(grants.isOpen).toBe(true);
      expect(rig.log.hasStandby).toBe(false);
      // As FrameIntake asks.
      expect(rig.log.hasRoom(decreeBytesMax, 3)).toBe(true);
      expect(rig.log.room).toBeGreaterThanOrEqual(decreeBytesMax + 2 * RECORD_BYTES);
    }
  },
);
