/** The media: what is written, synced and reported (docs/storage-format.md; src/storage). */

import type { Mutant } from '../mutant.js';

const DIRECTORY = 'storage/directory.ts';
const FILE = 'storage/file/file-medium.ts';
const URING = 'storage/uring/uring-medium.ts';
const WRITER = 'engine/log-writer.ts';

export const storage: readonly Mutant[] = [
  {
    name: 'synced-writes-of-one-descriptor-at-once',
    fault: 'persistence',
    mimics:
      'PostgreSQL 2018 ("fsyncgate"): an error of writing back is told once, and to another one than whose write was lost',
    edits: [{ file: URING, find: 'if (!live.isDirect && live.writes > 0) break;', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/storage/uring-buffered.test.ts' }],
  },
  {
    name: 'removed-without-a-sync-counts-as-gone',
    fault: 'storage',
    mimics: 'a removal is tried again, finds nothing, and what a power cut would give back is taken for gone',
    edits: [{ file: DIRECTORY, find: "if (error.code === 'ENOENT')", put: 'if (isWhole && !isWhole)' }],
    killedBy: [{ check: 'unit', file: 'test/storage/removed-not-synced.test.ts' }],
  },
  {
    name: 'restored-from-a-name-that-is-not-durable',
    fault: 'storage',
    mimics:
      'a restart builds on a rename that the process before was killed behind: the log is dropped, and the name with it',
    edits: [
      {
        file: 'storage/checkpoint-store.ts',
        find: 'syncDirectory(this.#fileSystem, this.#directory, (syncError) => {\n        if (syncError !== null) return fail(syncError);\n',
        put: 'setImmediate(() => {\n',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/checkpoint-name-after-kill.test.ts' }],
  },
  {
    name: 'name-of-a-segment-not-synced',
    fault: 'storage',
    mimics: 'etcd#6368: the directory is not synced after a rename',
    edits: [
      {
        file: DIRECTORY,
        find: 'syncDirectory(fileSystem, this.path, (directoryError) => {',
        put: '((_: unknown, __: string, next: (error: null) => void) => next(null))(fileSystem, this.path, (directoryError) => {',
      },
    ],
    killedBy: [{ check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] }],
  },
  {
    name: 'segment-made-without-a-sync',
    fault: 'storage',
    mimics: 'sofa-jraft#480: a flush is missing before the sync',
    edits: [
      {
        file: DIRECTORY,
        find: 'fileSystem.fsync(fd, (syncError) => {\n          if (syncError !== null) return fail(syncError);',
        put: '((_: number, next: (error: null) => void) => next(null))(fd, (syncError) => {\n          if (syncError !== null) return fail(syncError);',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'uring', '--operations', '2'] },
      { check: 'unit', file: 'test/storage/file.test.ts', name: 'a segment gets its name' },
    ],
  },
  {
    name: 'writes-not-synced',
    fault: 'storage',
    mimics: 'etcd#14143: a sync is left out where it seems not to be needed',
    edits: [
      {
        file: FILE,
        find: 'this.#fileSystem.fdatasync(live.fd, (error) => {',
        put: 'this.#fileSystem.fstat(live.fd, (error) => {',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/storage/file.test.ts', name: 'after a failed' },
    ],
  },
  {
    name: 'failed-sync-tried-again',
    fault: 'storage',
    mimics:
      'ATC 2020, "Can applications recover from fsync failures?": a second sync succeeds, and the pages are gone',
    edits: [
      {
        file: FILE,
        find: 'this.#fileSystem.fdatasync(live.fd, (error) => {\n',
        put: 'const sync = (then: (error: NodeJS.ErrnoException | null) => void): void =>\n        this.#fileSystem.fdatasync(live.fd, (first) => (first === null ? then(null) : this.#fileSystem.fdatasync(live.fd, then)));\n      sync((error) => {\n',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/file.test.ts', name: 'after a failed' }],
  },
  {
    name: 'acknowledged-after-a-failed-sync',
    fault: 'storage',
    mimics: 'braft d8e4e21: the error of a writer is ignored',
    edits: [
      {
        file: FILE,
        find: "if (error !== null) {\n          failure ??= storageFailure(error, 'a sync'",
        put: "if (error !== null && live.fd < 0) {\n          failure ??= storageFailure(error, 'a sync'",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/file.test.ts', name: 'after a failed' }],
  },
  {
    name: 'acknowledged-after-a-failed-write',
    fault: 'storage',
    mimics: 'prometheus#13027: a full disk leaves half a record, and the log goes on',
    edits: [
      {
        file: FILE,
        find: 'if (failed !== null) this.#endCycle',
        put: "if (failed !== null && failedAt === '') this.#endCycle",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/file.test.ts', name: 'after a failed' }],
  },
  {
    name: 'reports-what-waits-for-the-next-sync',
    fault: 'storage',
    mimics: 'openraft#1960: of several writes under way the newest counts as done',
    edits: [
      {
        file: FILE,
        find: 'this.#handler!.onPersisted(ticket);\n    }\n    if (this.#isClosing',
        put: 'this.#handler!.onPersisted(this.#queuedTicket);\n    }\n    if (this.#isClosing',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/file.test.ts', name: 'ranges queued while a sync' }],
  },
  {
    name: 'writes-reported-as-they-complete',
    fault: 'storage',
    mimics: 'openraft#1960: two asynchronous writes complete out of order',
    edits: [
      {
        file: URING,
        find: 'while (count < this.#writes.length && (this.#writes[count] as Range).done) count += 1;',
        put: 'for (const [index, write] of this.#writes.entries()) if (write.done) count = index + 1;',
      },
    ],
    killedBy: [
      {
        check: 'crash-states',
        options: ['--medium', 'uring', '--program', 'small flush small flush newest'],
      },
      { check: 'unit', file: 'test/storage/uring.test.ts', name: 'a write that ends before' },
    ],
  },
  {
    name: 'last-block-of-a-write-left-out',
    fault: 'storage',
    mimics: 'pmdk#5461: what is made durable ends short of what was changed',
    edits: [
      {
        file: FILE,
        find: 'writeFully(this.#fileSystem, live.fd, live.memory.bytes, from, to, from, (error) => {',
        put: 'writeFully(this.#fileSystem, live.fd, live.memory.bytes, from, Math.max(from, to - 4096), from, (error) => {',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/storage/file.test.ts', name: 'what was persisted reads back' },
    ],
  },
  {
    name: 'last-cache-line-not-flushed',
    fault: 'storage',
    mimics: 'PMFS-new#8: a flush is missing before the next operation relies on it',
    edits: [
      {
        file: 'storage/pmem/pmem-medium.ts',
        find: 'flushRange(bytes, from, to);',
        put: 'flushRange(bytes, from, Math.max(from, to - 64));',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'pmem', '--operations', '2'] },
      { check: 'unit', file: 'test/storage/pmem.test.ts' },
    ],
  },
  {
    name: 'what-was-found-is-built-on-before-it-is-durable',
    fault: 'storage',
    mimics: 'etcd#14143: what a killed process left in the page cache is acted on',
    edits: [
      {
        file: 'engine/recover.ts',
        find: 'this.#harden(this.#tail.ranges(), 0,',
        put: 'this.#harden([], 0,',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'uring', '--operations', '3'] },
      { check: 'unit', file: 'test/engine/log-writer.test.ts' },
    ],
  },
  {
    name: 'error-of-a-truncation-ignored',
    fault: 'storage',
    mimics: 'ZOOKEEPER-3701: a truncation that failed on a full disk is taken for done',
    edits: [
      {
        file: DIRECTORY,
        find: 'if (truncateError !== null) {',
        put: 'if (truncateError !== null && bytes < 0) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/file.test.ts', name: 'any call may fail' }],
  },
  {
    name: 'unfinished-segment-counts',
    fault: 'storage',
    mimics: 'RaftKeeper#240: what was being made when the process was killed is loaded as if it were whole',
    edits: [
      {
        file: DIRECTORY,
        find: 'const temporaryPath = (recycled === null ? finalPath : this.segmentPath(recycled)) + TEMPORARY_SUFFIX;',
        put: 'const temporaryPath = recycled === null ? finalPath : this.segmentPath(recycled) + TEMPORARY_SUFFIX;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/file.test.ts', name: 'any call may fail' }],
  },
  {
    name: 'write-counts-as-durable-with-the-one-before',
    fault: 'storage',
    mimics: 'ra 39490978: a "last written" that is too high commits what is not on disk',
    edits: [
      {
        file: WRITER,
        find: 'this.#pending[0]!.ticket <= ticket) {',
        put: 'this.#pending[0]!.ticket <= ticket + 1) {',
      },
    ],
    killedBy: [
      { check: 'simulation', seeds: 50 },
      { check: 'unit', file: 'test/engine/log-writer.test.ts' },
    ],
  },
  {
    name: 'disk-alert-that-trembles-at-its-bound',
    fault: 'storage',
    mimics: 'an alert without a way back of its own: it is raised and cleared with every measurement',
    edits: [
      { file: 'application/disk-alerts.ts', find: 'const WAY_BACK = 1 / 16;', put: 'const WAY_BACK = 0;' },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/disk-alerts.test.ts' }],
  },
  {
    name: 'mapping-of-a-removed-file-left-to-the-collector',
    fault: 'storage',
    mimics:
      'a bug of this project: a thread that makes little garbage holds the mappings of removed segments for minutes, and more and more of them',
    edits: [{ file: 'application/memory-map.ts', find: 'this.#files.unmap(memory.bytes);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/application/memory-map.test.ts' }],
  },
  {
    name: 'parts-of-a-sector-written-again',
    fault: 'storage',
    mimics:
      'a 512e disk: a power cut in the middle of a read-modify-write takes the neighbours of what is written',
    edits: [
      {
        file: 'storage/uring/direct-io.ts',
        find: 'isPower ? Math.min(sector, PAGE_BYTES) : PAGE_BYTES',
        put: 'wanted',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/storage/sector-size.test.ts' }],
  },
  {
    name: 'memory-takes-a-folder-that-has-a-log',
    fault: 'storage',
    mimics: 'a server in its volatile mode that is started by mistake on the data of one that keeps them',
    edits: [
      {
        file: 'application/data-directory.ts',
        find: 'names.some((name) => parseSegmentName(name) !== null)',
        put: 'names.some((name) => parseSegmentName(name) === -1)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/data-directory.test.ts' }],
  },
  {
    name: 'checkpoints-of-memory-beside-those-that-are-kept',
    fault: 'storage',
    mimics: 'a snapshot of another history is restored, and the log behind it is executed',
    edits: [
      {
        file: 'storage/folders.ts',
        find: "kind === 'memory' ? 'memory-checkpoints' : 'checkpoints'",
        put: "'checkpoints'",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/application/data-directory.test.ts' }],
  },
];
