/** The log's format, and what recovery makes of it (docs/storage-format.md). */

import type { Mutant } from '../mutant.js';

const RECOVERY = 'log/recovery.ts';
const TABLE = 'log/recovery-table.ts';
const SCAN = 'log/segment-scan.ts';
const STATE = 'log/log-state.ts';
const WRITER = 'engine/log-writer.ts';

export const log: readonly Mutant[] = [
  {
    name: 'damage-taken-for-a-torn-tail',
    fault: 'log',
    mimics: 'cockroachdb/pebble#453: damage is taken for a torn tail, and committed entries are cut off',
    edits: [
      {
        file: TABLE,
        find: "{ name: 'was-durable', when: { claimed: ['same-segment', 'later-segment'] }, ruling: 'corrupt' },",
        put: "{ name: 'was-durable', when: { claimed: ['same-segment', 'later-segment'] }, ruling: 'torn' },",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/recovery.test.ts' }],
  },
  {
    name: 'claims-of-later-segments-not-heard',
    fault: 'log',
    mimics: 'Protocol-Aware Recovery, FAST 2018: damage in a middle segment passes for the end of the log',
    edits: [
      {
        file: RECOVERY,
        find: "if (this.#evidence !== null || foundBy(at.reason) === 'impossible') return;",
        put: 'if (this.#evidence !== null || at.offset >= 0) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/recovery.test.ts' }],
  },
  {
    name: 'torn-tail-stops-the-start',
    fault: 'log',
    mimics: 'etcd#14093: a torn tail makes the start fail',
    edits: [
      {
        file: TABLE,
        find: "{ name: 'torn-write', when: { found: ['unreadable'] }, ruling: 'torn' },",
        put: "{ name: 'torn-write', when: { found: ['unreadable'] }, ruling: 'corrupt' },",
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/log/recovery.test.ts' },
    ],
  },
  {
    name: 'lost-segment-not-missed',
    fault: 'log',
    mimics: 'braft#119: a crash leaves a gap between segments, and the log goes on behind it',
    edits: [
      {
        file: TABLE,
        find: "{ name: 'segment-lost', when: { successor: ['after-gap'] }, ruling: 'corrupt' },",
        put: "{ name: 'segment-lost', when: { successor: ['after-gap'] }, ruling: 'torn' },",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/recovery-table.test.ts' }],
  },
  {
    name: 'chain-not-checked',
    fault: 'log',
    mimics: 'tigerbeetle#2677: a misdirected write in the log',
    edits: [{ file: SCAN, find: "if (record.previous !== chain) return 'wrong-chain';", put: '' }],
    killedBy: [{ check: 'unit', file: 'test/log/recovery-table.test.ts' }],
  },
  {
    name: 'chain-between-segments-not-checked',
    fault: 'log',
    mimics: 'dqlite#190: a segment file does not hold what its name says',
    edits: [
      { file: RECOVERY, find: 'if (scan.chain !== successor.previous) {', put: 'if (scan.chain < 0) {' },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/recovery.test.ts' }],
  },
  {
    name: 'sequence-not-checked',
    fault: 'log',
    mimics: 'braft#279: what a record says of itself does not fit its place',
    edits: [{ file: SCAN, find: "if (record.sequence !== sequence) return 'wrong-sequence';", put: '' }],
    killedBy: [{ check: 'unit', file: 'test/log/recovery-table.test.ts' }],
  },
  {
    name: 'payload-checksum-not-checked',
    fault: 'log',
    mimics: 'FAST 2017, redundancy does not imply fault tolerance: a damaged entry is served',
    edits: [
      {
        file: SCAN,
        find: 'crc32c(source.bytes, payloadAt, payloadEnd, 0) !== record.payloadChecksum',
        put: 'crc32c(source.bytes, payloadAt, payloadEnd, 0) < 0',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/log/recovery.test.ts' },
    ],
  },
  {
    name: 'header-checksum-not-checked',
    fault: 'log',
    mimics: 'hse#471: header fields count without their checksum',
    edits: [
      {
        file: 'log/record.ts',
        find: 'if (crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0) !== checksum) {',
        put: 'if (crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0) < 0) {',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'pmem', '--operations', '2'] },
      { check: 'unit', file: 'test/log/record.test.ts' },
    ],
  },
  {
    name: 'header-checksum-leaves-out-the-chain',
    fault: 'log',
    mimics: 'a checksum that does not cover its last fields',
    edits: [
      {
        file: 'log/record.ts',
        find: 'const checksum = crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0);',
        put: 'const checksum = crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES - 8, 0);',
      },
      {
        file: 'log/record.ts',
        find: 'if (crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES, 0) !== checksum) {',
        put: 'if (crc32c(bytes, at + RecordField.payloadBytes, at + RECORD_HEADER_BYTES - 8, 0) !== checksum) {',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'pmem', '--operations', '2'] },
      { check: 'unit', file: 'test/log/record.test.ts' },
    ],
  },
  {
    name: 'tail-one-block-short',
    fault: 'log',
    mimics: 'amelie#17: where the log ends is wrong, and what is behind it cannot be reached',
    edits: [
      {
        file: RECOVERY,
        find: 'this.#uses.push({ segment: header.segment, bytes: scan.endOffset });',
        put: 'this.#uses.push({ segment: header.segment, bytes: scan.endOffset - 64 });',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/log/recovery.test.ts' },
    ],
  },
  {
    name: 'stale-bytes-of-a-reused-segment-count',
    fault: 'log',
    mimics: 'braft 93d248b: the rest of an older segment is taken for records',
    edits: [
      { file: SCAN, find: "if (record.segmentNonce !== header.nonceLow) return 'stale-record';", put: '' },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/recovery-table.test.ts' }],
  },
  {
    name: 'records-that-a-later-segment-voids-count',
    fault: 'log',
    mimics: 'openraft 9540c904: what was replaced comes back after a crash',
    edits: [
      {
        file: RECOVERY,
        find: 'untilSequence: successor?.firstSequence ?? Number.POSITIVE_INFINITY,',
        put: 'untilSequence: Number.POSITIVE_INFINITY,',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'unit', file: 'test/log/recovery.test.ts' },
    ],
  },
  {
    name: 'void-segments-count',
    fault: 'log',
    mimics: 'ra 23646168: what a crash left over is taken for part of the log',
    edits: [
      {
        file: RECOVERY,
        find: "if (reading.kind !== 'valid' || reading.header.firstSequence >= bound) continue;",
        put: "if (reading.kind !== 'valid' || reading.header.firstSequence > bound) continue;",
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/recovery.test.ts' }],
  },
  {
    name: 'index-points-to-the-older-record',
    fault: 'log',
    mimics: 'ra adf11ab5: a side index that does not fit the log',
    edits: [
      {
        file: 'log/log-index.ts',
        find: 'if (slot > this.#lastSlot) this.#lastSlot = slot;\n    }',
        put: 'if (slot > this.#lastSlot) this.#lastSlot = slot;\n    } else return true;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/log/log-index.test.ts' }],
  },
  {
    name: 'late-acceptance-replaces-what-is-chosen',
    fault: 'log',
    mimics: 'openraft#1892: another entry is adopted at an index that is committed',
    edits: [{ file: STATE, find: 'if (kind === RecordKind.learn && ballot < before) return;', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/log/log-state.test.ts' }],
  },
  {
    name: 'header-of-a-segment-forgets-the-promise',
    fault: 'log',
    mimics: 'etcd-io/raft e515a67: what a summary leaves out is lost when its history is dropped',
    edits: [{ file: STATE, find: 'this.promised = Math.max(this.promised, header.promised);', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/log/log-state.test.ts' }],
  },
  {
    name: 'record-claims-durability-of-what-is-in-flight',
    fault: 'log',
    mimics: 'ra#562: what is recorded as done is ahead of the durable log, and recovery fails',
    edits: [
      {
        file: WRITER,
        find: 'sequence: this.#sequence,\n        durable: this.#durable,',
        put: 'sequence: this.#sequence,\n        durable: this.#sequence - 1,',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'simulation', seeds: 200 },
      { check: 'unit', file: 'test/engine/log-writer.test.ts' },
    ],
  },
  {
    name: 'record-claims-no-durability',
    fault: 'log',
    mimics: 'FAST 2018: without what was acknowledged apart from the entry, torn and damaged look alike',
    edits: [
      {
        file: WRITER,
        find: 'sequence: this.#sequence,\n        durable: this.#durable,',
        put: 'sequence: this.#sequence,\n        durable: 0,',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/log-writer.test.ts' }],
  },
  {
    name: 'segment-begins-without-the-chain',
    fault: 'log',
    mimics: 'braft 04092b2: a new log does not know what it goes on from',
    edits: [
      {
        file: WRITER,
        find: 'previous: this.#chain,\n        durable: this.#durable,',
        put: 'previous: 0,\n        durable: this.#durable,',
      },
    ],
    killedBy: [
      { check: 'crash-states', options: ['--medium', 'file', '--operations', '2'] },
      { check: 'simulation', seeds: 50 },
      { check: 'unit', file: 'test/engine/log-writer.test.ts' },
    ],
  },
  {
    name: 'what-is-read-back-is-not-checked',
    fault: 'log',
    mimics: 'tigerbeetle#1510: damage that came after the start is served to others',
    edits: [
      {
        file: 'engine/log-reader.ts',
        find: 'return checksum === entry.payloadChecksum',
        put: 'return checksum >= 0',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/deliveries.test.ts' }],
  },
  {
    name: 'chunk-read-into-before-it-is-executed',
    fault: 'log',
    mimics: 'a buffer is used again while a reader still refers to it',
    edits: [
      {
        file: 'engine/deliveries.ts',
        find: 'for (const { memory } of this.#open) if (memory < 0) used.add(-1 - memory);',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/deliveries.test.ts' }],
  },
  {
    name: 'fetch-buffer-read-into-while-it-is-sent',
    fault: 'log',
    mimics: 'a zero-copy send whose pages are written to before the kernel is done with them',
    edits: [
      {
        file: 'engine/fetch-server.ts',
        find: '!one.isFilling && !used.has(one.memory) &&',
        put: '!one.isFilling &&',
      },
    ],
    killedBy: [
      { check: 'unit', file: 'test/engine/fetch-server.test.ts' },
      { check: 'simulation', seeds: 200 },
    ],
  },
  {
    name: 'fetch-buffer-read-into-twice-at-once',
    fault: 'log',
    mimics: 'two readers are given the same free buffer',
    edits: [
      {
        file: 'engine/fetch-server.ts',
        find: '!one.isFilling && !used.has(one.memory) &&',
        put: '!used.has(one.memory) &&',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/fetch-server.test.ts' }],
  },
  {
    name: 'mapping-of-a-file-that-is-gone-kept',
    fault: 'memory',
    mimics:
      'a deleted file whose space comes back only with the end of the process, as somebody has it mapped',
    edits: [{ file: 'storage/pmem/pmem-medium.ts', find: '        this.#giveUpGone();\n', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/storage/pmem.test.ts', name: 'gives its space back' }],
  },
  {
    name: 'mark-in-the-sector-that-it-tells-of',
    fault: 'log',
    mimics:
      'a damaged sector takes an entry together with the commit record that tells damage from a torn write',
    edits: [
      {
        file: 'engine/log-writer.ts',
        find: 'const sector = batchEnd(this.#tail, BLOCK_BYTES_MAX);',
        put: 'const sector = batchEnd(this.#tail, this.blockBytes);',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/log-keeper.test.ts' }],
  },
  {
    name: 'no-room-kept-for-a-promise',
    fault: 'storage',
    mimics:
      'the log is filled to the brim with entries, and the vote that must be written next stops the server',
    edits: [
      {
        file: 'engine/log-writer.ts',
        find: 'return 3 * (RECORD_HEADER_BYTES',
        put: 'return 0 * (RECORD_HEADER_BYTES',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/late-segment.test.ts' }],
  },
  {
    name: 'cookie-not-counted-in-the-log',
    fault: 'storage',
    mimics: 'room is asked for less than is written',
    edits: [{ file: 'protocol/decree.ts', find: ' + (configuration.cookie?.length ?? 0)', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/late-segment.test.ts' }],
  },
  {
    name: 'mark-behind-the-end-of-its-segment',
    fault: 'log',
    mimics: 'padding is computed past the end of the file, and a clean stop becomes a crash',
    edits: [{ file: 'engine/log-writer.ts', find: ' && sector <= this.segmentBytes', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/log-keeper.test.ts' }],
  },
  {
    name: 'pad-taken-for-a-mark',
    fault: 'log',
    mimics: 'what fills up a page counts as the word that the page is durable',
    edits: [
      {
        file: 'engine/log-writer.ts',
        find: 'if (kind !== RecordKind.pad) this.#claimed = this.#durable;',
        put: 'this.#claimed = this.#durable;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/log-keeper.test.ts' }],
  },
  {
    name: 'lent-down-to-what-frames-need',
    fault: 'back-pressure',
    mimics:
      'memory for clients is given out down to the last page, and the messages of other servers find none',
    edits: [
      {
        file: 'engine/grants.ts',
        find: 'const RESERVE_BYTES = 6 * 4096;',
        put: 'const RESERVE_BYTES = 4 * 4096;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/grants.test.ts' }],
  },
];
