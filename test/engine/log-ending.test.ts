/** The beginning of what an opening writes: what it may say is chosen. */

import { expect, test } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { beginLog } from '../../src/engine/log-ending.js';
import { HeapPlace } from '../../src/engine/places.js';
import { RecordKind } from '../../src/log/format.js';
import { DecreeKind, type DecreeReference } from '../../src/protocol/decree.js';
import { LogRig } from './log-rig.js';

function decree(): DecreeReference {
  const payload = Uint8Array.of(1, 2, 3);
  return {
    kind: DecreeKind.commands,
    bytes: 3,
    checksum: crc32c(payload, 0, 3, 0),
    commands: 1,
    configuration: null,
    source: new HeapPlace([payload]),
  };
}

/** A log with acceptances for slots 1 to 4, of which it says that 2 are chosen, opened again. */
function reopened(): LogRig {
  const rig = new LogRig();
  beginLog(rig.log, 1, 0);
  for (let slot = 1; slot <= 4; slot += 1)
    rig.log.appendDecree(RecordKind.accept, slot, 65_537, slot, decree());
  rig.log.chosen = 2;
  rig.log.append(RecordKind.mark, 0, 0, 2, null);
  rig.log.flush();
  rig.settle();
  return new LogRig({ contents: rig.crash() });
}

test('a checkpoint that the log does not reach makes it jump, for good', () => {
  const rig = reopened();
  expect(rig.recovered.state.chosenThrough).toBe(2);
  beginLog(rig.log, 2, 3);
  rig.settle();
  expect([2, 3, 4].map((slot) => rig.recovered.state.index.has(slot))).toEqual([false, false, true]);
  // The checkpoint is gone: better no log than one that takes what was accepted for what was chosen.
  expect(() => new LogRig({ contents: rig.crash() })).toThrow('slot 1 is chosen, but has no decree');
});

test('nothing says that they are chosen before the jump is durable', () => {
  const rig = reopened();
  beginLog(rig.log, 2, 3);
  // The segment's header reached the disk, the records did not.
  const contents = rig.crash();
  const { segment, bytes } = rig.memories.at(-1)!;
  const torn = new Uint8Array(bytes.length);
  torn.set(bytes.subarray(0, 4096));
  contents.set(segment, { bytes: torn, memory: null });
  const { state } = new LogRig({ contents }).recovered;
  expect(state.chosenThrough).toBe(2);
  expect(state.index.has(1)).toBe(true);
});

test('a log that says as much itself keeps its slots', () => {
  const rig = reopened();
  beginLog(rig.log, 2, 2);
  rig.settle();
  expect(new LogRig({ contents: rig.crash() }).recovered.state.index.has(1)).toBe(true);
});
