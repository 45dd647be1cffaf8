/** Aim: the bounds agree with each other and with the formats, and each relation can fail. */

import { describe, expect, it } from 'vitest';
import {
  BLOCK_BYTES_MAX,
  completeLimits,
  DECREE_BYTES_CEILING,
  defaultHeartbeatMs,
  FRAME_BYTES_MAX,
  FRAME_OVERHEAD_BYTES,
  ID_LENGTH_MAX,
  ID_PATTERN,
  type Limits,
  limitBounds,
  limitConflicts,
  SEGMENT_OVERHEAD_BYTES,
  segmentBytesBounds,
} from '../../src/limits.js';
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from '../../src/log/format.js';

describe('limits', () => {
  it('leave the room in a segment that the log format needs', () => {
    expect(SEGMENT_OVERHEAD_BYTES).toBeGreaterThanOrEqual(
      SEGMENT_HEADER_BYTES + RECORD_HEADER_BYTES + BLOCK_BYTES_MAX,
    );
  });

  it('let every decree and every fetched chunk travel in one frame', () => {
    expect(limitBounds.decreeBytesMax.max).toBeLessThanOrEqual(DECREE_BYTES_CEILING);
    expect(limitBounds.decreeBytesMax.max + FRAME_OVERHEAD_BYTES).toBeLessThanOrEqual(FRAME_BYTES_MAX);
    expect(limitBounds.fetchBytesMax.max + FRAME_OVERHEAD_BYTES).toBeLessThanOrEqual(FRAME_BYTES_MAX);
  });

  it('have an id pattern of the length they name', () => {
    expect(ID_PATTERN.test('x'.repeat(ID_LENGTH_MAX))).toBe(true);
    expect(ID_PATTERN.test('x'.repeat(ID_LENGTH_MAX + 1))).toBe(false);
    expect(ID_PATTERN.test('x\n')).toBe(false);
  });

  it('have defaults without a conflict for every size of segment', () => {
    for (let bytes = segmentBytesBounds.min; bytes <= segmentBytesBounds.max; bytes *= 2) {
      expect(limitConflicts(completeLimits({}, bytes), bytes)).toEqual([]);
    }
  });

  it('follow a single large or small choice without a conflict', () => {
    const segmentBytes = segmentBytesBounds.default;
    for (const chosen of [
      { commandBytesMax: limitBounds.commandBytesMax.max },
      { commandBytesMax: limitBounds.commandBytesMax.min },
      { decreeBytesMax: limitBounds.decreeBytesMax.max },
      { decreeBytesMax: limitBounds.decreeBytesMax.min },
      { pipelineBytesMax: limitBounds.pipelineBytesMax.max },
      { fetchBytesMax: limitBounds.fetchBytesMax.max },
    ]) {
      expect(limitConflicts(completeLimits(chosen, segmentBytes), segmentBytes)).toEqual([]);
    }
  });

  it('name each relation that is broken', () => {
    const good = completeLimits({}, segmentBytesBounds.default);
    const broken: [Partial<Limits>, (keyof Limits)[]][] = [
      [{ decreeBytesMax: good.commandBytesMax }, ['decreeBytesMax']],
      [{ pipelineBytesMax: 8192 }, ['pipelineBytesMax']],
      [{ outstandingBytesMax: 8192 }, ['outstandingBytesMax']],
      [{ sendQueueBytesMax: 65_536 }, ['sendQueueBytesMax']],
      [{ fetchBytesMax: 8192 }, ['fetchBytesMax']],
    ];
    for (const [change, names] of broken) {
      const conflicts = limitConflicts({ ...good, ...change }, segmentBytesBounds.default);
      expect(conflicts.map((conflict) => conflict.name)).toEqual(names);
    }
    expect(limitConflicts(good, 1024 * 1024).map((conflict) => conflict.name)).toEqual(['decreeBytesMax']);
  });

  it('put six heartbeats into an election timeout', () => {
    expect(defaultHeartbeatMs(300)).toBe(50);
    expect(defaultHeartbeatMs(50)).toBe(8);
  });
});
