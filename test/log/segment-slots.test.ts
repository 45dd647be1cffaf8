import { expect, test } from 'vitest';
import { SegmentSlots } from '../../src/log/segment-slots.js';

test('the oldest segment can go once a checkpoint holds its highest slot, and not the last one', () => {
  const slots = new SegmentSlots();
  expect(slots.droppable(100)).toBeNull();
  slots.add(3);
  slots.note(3, 7);
  slots.note(3, 9);
  slots.note(3, 8);
  expect(slots.droppable(100), 'the last one').toBeNull();
  slots.add(4);
  expect(slots.droppable(8)).toBeNull();
  expect(slots.droppable(9)).toEqual({ segment: 3, next: 4 });
});

test('a segment without decrees can go at once, in its turn', () => {
  const slots = new SegmentSlots();
  slots.note(1, 5);
  slots.add(2);
  slots.add(3);
  // Known already: what is noted of it stays.
  slots.add(1);
  expect(slots.droppable(4)).toBeNull();
  slots.remove(1);
  expect(slots.droppable(0)).toEqual({ segment: 2, next: 3 });
  slots.remove(2);
  expect(slots.droppable(100)).toBeNull();
});

test('no segment can go below which an unused one still exists, or before the next one', () => {
  const slots = new SegmentSlots();
  for (const segment of [3, 5, 9]) slots.add(segment);
  for (const segment of [4, 7]) slots.addUnused(segment);
  // Without segment 3 the log would begin with what is left of 4.
  expect(slots.droppable(100)).toBeNull();
  slots.removeUnused(4);
  expect([...slots.unused]).toEqual([7]);
  expect(slots.droppable(100)).toEqual({ segment: 3, next: 5 });
  slots.remove(3);
  expect(slots.droppable(100)).toBeNull();
  slots.removeUnused(7);
  expect(slots.droppable(100)).toEqual({ segment: 5, next: 9 });
  slots.addUnused(2);
  expect(slots.droppable(100)).toBeNull();
});
