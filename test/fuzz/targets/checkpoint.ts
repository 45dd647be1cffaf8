/** A checkpoint: as a file that is restored, and as chunks that a peer sends. Both ways take the same ones, or refuse with a typed error. */

import {
  type CheckpointFacts,
  CheckpointReading,
  restoreByStream,
  restoreCheckpoint,
} from '../../../src/application/checkpoint-restore.js';
import { CHECKPOINT_HEADER_BYTES, CheckpointField } from '../../../src/checkpoint/format.js';
import { crc32c } from '../../../src/checksum.js';
import { CheckpointInstaller, COPY_NAME } from '../../../src/engine/checkpoint-installer.js';
import type { Link } from '../../../src/engine/links.js';
import type { RestoredCheckpoint } from '../../../src/engine/recover.js';
import { SynodError } from '../../../src/errors.js';
import { encodeSnapshot } from '../../../src/kv/snapshot.js';
import { KeyValueStateMachine } from '../../../src/kv/state-machine.js';
import { readUint64 } from '../../../src/log/record.js';
import type {
  CheckpointFile,
  CheckpointStore,
  StoredCheckpoint,
} from '../../../src/storage/checkpoint-store.js';
import { silentLogger } from '../../application/support.js';
import { CLUSTER, repairCheckpoint, sampleCheckpoint, unpackCheckpoint } from '../checkpoint-image.js';
import { Random } from '../random.js';
import { type FuzzTarget, join, must, text, viewOf } from '../target.js';

/** One file to read, and one to write. */
class OneFileStore implements Pick<CheckpointStore, 'read' | 'create'> {
  readonly written: Uint8Array[] = [];
  committed = 0;
  abandoned = 0;
  readonly #file: Uint8Array;

  constructor(file: Uint8Array) {
    this.#file = file;
  }

  read: CheckpointStore['read'] = (_slot, offset, target, callback) => {
    const part = this.#file.subarray(offset, offset + target.length);
    target.set(part);
    queueMicrotask(() => callback(null, part.length));
  };

  create: CheckpointStore['create'] = (_slot, _writer, callback) => {
    const { written } = this;
    written.length = 0;
    const file: CheckpointFile = {
      get bytes() {
        return written.reduce((sum, part) => sum + part.length, 0);
      },
      append: (bytes, done) => {
        written.push(bytes.slice());
        queueMicrotask(() => done(null));
      },
      commit: (done) => {
        this.committed += 1;
        queueMicrotask(() => done(null));
      },
      abandon: (done) => {
        this.abandoned += 1;
        queueMicrotask(() => done(null));
      },
    };
    queueMicrotask(() => callback(null, file));
  };

  get store(): CheckpointStore {
    return this as unknown as CheckpointStore;
  }
}

const codes: ReadonlySet<string> = new Set(['ERR_SYNOD_LOG_CORRUPT', 'ERR_SYNOD_STATE_MACHINE']);

function restore(file: Uint8Array, stored: StoredCheckpoint): Promise<CheckpointFacts | SynodError> {
  const reading = new CheckpointReading(new OneFileStore(file).store, stored, CLUSTER, crc32c);
  const machine = new KeyValueStateMachine({ replyBytesMax: 64 * 1024 });
  return new Promise((resolve, reject) => {
    let ends = 0;
    restoreCheckpoint(reading, machine, restoreByStream, (error, facts) => {
      ends += 1;
      if (ends > 1) reject(new Error('the end was told twice'));
      resolve(error ?? facts!);
    });
  });
}

/** The same bytes from a peer, who sends them in chunks of the lengths that `cut` yields, and some twice. */
async function install(
  file: Uint8Array,
  random: Random,
): Promise<{ readonly installed: RestoredCheckpoint | null; readonly store: OneFileStore }> {
  const store = new OneFileStore(file);
  const view = viewOf(file);
  const name = {
    slot: Math.max(0, readUint64(view, CheckpointField.slot)),
    nonceLow: view.getUint32(CheckpointField.nonceLow, true),
    nonceHigh: view.getUint32(CheckpointField.nonceHigh, true),
  };
  let installed: RestoredCheckpoint | null = null;
  let asked = 0;
  const installer = new CheckpointInstaller({
    ...{ store: store.store, crc32c, logger: silentLogger, cluster: CLUSTER, chunkBytesMax: 1024 },
    versions: { min: 1, max: 1 },
    ...{ name: COPY_NAME, isWanted: () => true, isUp: () => true, onProgress: () => {}, onLost: () => {} },
    ask: (_link, fetch) => {
      asked = fetch.offset;
    },
    onInstalled: (checkpoint) => {
      must(installed === null, 'installed twice');
      installed = checkpoint;
    },
  });
  const link = { peer: null } as unknown as Link;
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 8; turn += 1) await undefined;
  };
  const most = random.pick([64, 500, 5000]);
  while (asked < file.length) {
    const offset = asked;
    const count = offset === 0 ? CHECKPOINT_HEADER_BYTES + random.below(most) : 1 + random.below(most);
    const chunk = { ...name, offset, bytes: file.length };
    installer.onChunk(link, chunk, file.slice(offset, offset + count));
    // What comes while the disk is at work is passed over.
    if (random.chance(0.1)) installer.onChunk(link, chunk, file.slice(offset, offset + count));
    await settle();
    if (!installer.isAtWork) break;
    must(asked > offset, 'the same is asked for again', () => `${offset}`);
  }
  await settle();
  return { installed, store };
}

function entriesOf(count: number): Iterable<{ key: string; value: string; deadline: number }> {
  return Array.from({ length: count }, (_, index) => ({
    ...{ key: `k${index}`, value: 'v'.repeat(index * 7), deadline: index % 2 === 0 ? 0 : 1e12 + index },
  }));
}

export const checkpoint: FuzzTarget = {
  name: 'checkpoint',
  about:
    'a checkpoint is restored from a file, and taken from a peer, as it is, or refused with a typed error',
  inputBytesMax: 12 * 1024,
  guides: [
    '/src/checkpoint/',
    '/src/application/checkpoint-restore',
    '/src/engine/checkpoint-installer',
    '/src/kv/snapshot',
    '/src/wire/configuration-codec',
  ],
  memoryBytesMax: 64 * 1024 * 1024,
  dictionary: [text('{"number":1,"members":['), text('"incarnation":"'), text('test')],
  seeds: () => [
    sampleCheckpoint(1, [], [...encodeSnapshot(5, entriesOf(0))]),
    sampleCheckpoint(
      77,
      [
        [1, 1, 5],
        [2, 3, 1],
      ],
      [...encodeSnapshot(1e12, entriesOf(12))],
    ),
    sampleCheckpoint(300, [[1, 1, 2]], [new Uint8Array(0)]),
  ],
  repair: repairCheckpoint,
  async run(input, trace) {
    const file = unpackCheckpoint(input);
    const slot = Math.max(0, readUint64(viewOf(file), CheckpointField.slot));
    const found = await restore(file, { slot, bytes: file.length });
    const isRefused = SynodError.is(found);
    if (isRefused) {
      must(codes.has(found.code), 'another error', () => String(found.stack));
      trace(`${found.code} ${found.message.replace(/\d+|"[^"]*"/g, 'N').slice(0, 80)}`);
    } else {
      must(found.header.slot === slot && found.bytes === file.length, 'it is another one');
      for (const [, session, next] of found.sessions)
        must(session >= 1 && next >= 1, 'a session before the first');
      trace(`restored, ${Math.min(3, found.sessions.length)} sessions`);
    }
    const { installed, store } = await install(file, new Random(input[0] ?? 0));
    // The state machine may refuse it before the rest of it was read.
    const mayDiffer = isRefused && found.code === 'ERR_SYNOD_STATE_MACHINE';
    must(
      mayDiffer || (installed !== null) === !isRefused,
      'taken from a peer, and not from the disk, or the other way round',
      () => (isRefused ? found.message : 'restored'),
    );
    must(store.committed === (installed === null ? 0 : 1), 'a name was given to what was refused, or none');
    if (installed === null) return;
    must(installed.slot === slot, 'installed as another slot');
    must(Buffer.compare(join(store.written), file) === 0, 'the copy differs');
  },
};
