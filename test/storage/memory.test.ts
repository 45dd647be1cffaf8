import { expect, test } from 'vitest';
import { createMemoryMedium, type MemoryContents } from '../../src/storage/memory/memory-medium.js';
import { describeLogMedium } from './conformance.js';
import { fillPattern, MediumDriver, SEGMENT_BYTES } from './driver.js';

const contents = new Map<string, MemoryContents>();

describeLogMedium({
  name: 'memory',
  hasFiles: false,
  open(directory) {
    let kept = contents.get(directory);
    if (kept === undefined) {
      kept = new Map();
      contents.set(directory, kept);
    }
    return createMemoryMedium({ segmentBytes: SEGMENT_BYTES, contents: kept });
  },
});

test('rolling through segments reuses memory', async () => {
  const driver = new MediumDriver(createMemoryMedium({ segmentBytes: SEGMENT_BYTES }));
  await driver.start();
  const buffers = new Set<unknown>();
  for (let segment = 0; segment < 20; segment += 1) {
    const memory = await driver.create(segment);
    if (memory.reference.kind === 'shared') buffers.add(memory.reference.buffer);
    fillPattern(memory, 0, 64, segment);
    await driver.write(memory, 0, 64);
    driver.medium.release(memory);
    await driver.truncate(segment, 64);
  }
  await driver.close();
  // Truncated after release: each segment keeps its bytes, and nothing else.
  expect(buffers.size).toBe(20);
});

test('an order of callbacks can be dictated by `defer`', async () => {
  const calls: Array<() => void> = [];
  const medium = createMemoryMedium({ segmentBytes: SEGMENT_BYTES, defer: (call) => calls.push(call) });
  const seen: string[] = [];
  medium.start({ onPersisted: (ticket) => seen.push(`persisted ${ticket}`), onFailure() {} }, () =>
    seen.push('started'),
  );
  medium.create(1, (_, memory) => {
    seen.push('created');
    medium.persist(memory!, 0, 64, 1);
    medium.flush();
  });
  expect(seen).toEqual([]);
  for (let call = calls.shift(); call !== undefined; call = calls.shift()) call();
  expect(seen).toEqual(['started', 'created', 'persisted 1']);
});

test('durable is false and the reason is loud', () => {
  const medium = createMemoryMedium({ segmentBytes: SEGMENT_BYTES });
  expect(medium.durable).toBe(false);
  expect(medium.reason).toContain('VOLATILE');
  expect(() => createMemoryMedium({ segmentBytes: 1000 })).toThrow(
    expect.objectContaining({ code: 'ERR_SYNOD_OPTION' }),
  );
});
