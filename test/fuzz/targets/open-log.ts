/** Opening a log as the engine does: it ends, and with a typed error or with a state that holds together. */

import { crc32c } from '../../../src/checksum.js';
import { writeGroupHeader } from '../../../src/engine/group.js';
import { recoverLog } from '../../../src/engine/recover.js';
import { SynodError } from '../../../src/errors.js';
import { DecreeKind } from '../../../src/protocol/decree.js';
import { createMemoryMedium, type MemoryContents } from '../../../src/storage/memory/memory-medium.js';
import { mutateImages, repairImages, sampleImages, unpackImages } from '../images.js';
import { type FuzzTarget, must } from '../target.js';

const codes: ReadonlySet<string> = new Set(['ERR_SYNOD_LOG_CORRUPT', 'ERR_SYNOD_DATA_DIRECTORY']);

function payload(slot: number): Uint8Array {
  const bytes = new Uint8Array(32 + 4 + slot);
  writeGroupHeader(bytes, 0, 1, 1, 1, slot, 4 + slot);
  bytes[32] = slot;
  return bytes;
}

export const openLog: FuzzTarget = {
  name: 'open-log',
  about: 'opening any log ends with a typed error or a state that holds together; it ends',
  inputBytesMax: 24 * 1024,
  guides: ['/src/log/', '/src/engine/recover', '/src/wire/configuration-codec'],
  memoryBytesMax: 128 * 1024 * 1024,
  seeds: () => sampleImages(payload),
  repair: repairImages,
  mutate: mutateImages,
  run(input, trace) {
    const contents: MemoryContents = new Map(
      [...unpackImages(input)].map(([number, bytes]) => [number, { bytes, memory: null }]),
    );
    const calls: (() => void)[] = [];
    const medium = createMemoryMedium({
      segmentBytes: 1024 * 1024,
      contents,
      defer: (call) => calls.push(call),
    });
    let ends = 0;
    let outcome = '';
    medium.start({ onPersisted() {}, onFailure() {} }, (_, segments) => {
      recoverLog(
        medium,
        segments!,
        { cluster: 'cluster', replica: 'replica-a' },
        crc32c,
        (error, recovered) => {
          ends += 1;
          if (error !== null) {
            outcome = error.code;
            must(SynodError.is(error) && codes.has(error.code), 'another error', () => String(error.stack));
            must(
              typeof error.path === 'string' && typeof error.offset === 'number',
              'an error without a place',
            );
            return;
          }
          const { protocol, state } = recovered!;
          outcome = recovered!.verdict.kind;
          must(protocol.chosen === state.chosenThrough, 'another slot is chosen than the log says');
          for (let slot = 1; slot <= protocol.chosen; slot++) {
            must(state.index.has(slot), 'a chosen slot is not in the log', () => String(slot));
          }
          for (const [slot, { ballot, decree }] of protocol.accepted) {
            must(slot > protocol.chosen, 'an open slot is chosen');
            must(ballot <= protocol.promised, 'accepted under a ballot that was not promised');
            must(
              decree.kind !== DecreeKind.configuration || decree.configuration !== null,
              'a configuration decree without one',
            );
          }
        },
      );
    });
    for (let call = calls.shift(); call !== undefined; call = calls.shift()) call();
    must(ends === 1, 'the end was told another number of times than once', () => String(ends));
    trace(outcome);
  },
};
