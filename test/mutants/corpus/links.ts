/** Frames, and who is at the other end (docs/wire-format.md; src/wire, src/engine/links.ts). */

import type { Mutant } from '../mutant.js';

const READER = 'wire/frame-reader.ts';
const LINKS = 'engine/links.ts';

export const links: readonly Mutant[] = [
  {
    name: 'length-of-a-frame-not-under-its-checksum',
    fault: 'links',
    mimics: 'a damaged length makes the reader wait, and hold, for nothing',
    edits: [
      {
        file: READER,
        find: 'this.#crc32c(head, start + FrameField.version, start + headerBytes, total) !==',
        put: 'this.#crc32c(head, start + FrameField.version, start + headerBytes, 0) !==',
      },
      {
        file: 'wire/codec.ts',
        find: 'this.#crc32c(this.bytes, FrameField.version, headerBytes, total),',
        put: 'this.#crc32c(this.bytes, FrameField.version, headerBytes, 0),',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/wire/frame-reader.test.ts' }],
  },
  {
    name: 'payload-of-a-frame-not-checked',
    fault: 'links',
    mimics: 'Jepsen on TigerBeetle: bytes that were damaged on their way are taken',
    edits: [
      {
        file: READER,
        find: "if (checksum !== payloadChecksum) throw new FrameError('frame payload checksum');",
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/wire/frame-reader.test.ts' }],
  },
  {
    name: 'frame-of-any-size-awaited',
    fault: 'links',
    mimics: 'etcd#14098: a size that nobody bounds',
    edits: [{ file: READER, find: 'if (total > this.#frameBytesMax)', put: 'if (total < 0)' }],
    killedBy: [{ check: 'unit', file: 'test/wire/frame-reader.test.ts' }],
  },
  {
    name: 'body-of-another-size-accepted',
    fault: 'links',
    mimics: 'openraft 6d53aa12: a packing bug between two versions of one message',
    edits: [
      {
        file: 'wire/codec.ts',
        find: 'if (frame.view.byteLength !== FRAME_HEADER_BYTES + expected)',
        put: 'if (frame.view.byteLength < FRAME_HEADER_BYTES)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/wire/codec.test.ts' }],
  },
  {
    name: 'numbers-beyond-53-bits-accepted',
    fault: 'links',
    mimics: 'sofa-jraft#846: an id overflows',
    edits: [
      {
        file: 'wire/codec.ts',
        find: "if (high > 0x1f_ffff) throw new FrameError('number beyond 53 bits');",
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/wire/codec.test.ts' }],
  },
  {
    name: 'replaced-connection-still-heard',
    fault: 'links',
    mimics: 'openraft fbbf37b1: a stale stream goes on advancing progress',
    edits: [
      {
        file: LINKS,
        find: "before?.connection.close('replaced by a newer connection of the same replica');",
        put: '',
      },
      { file: LINKS, find: '      before.peer = null;\n', put: '' },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'two-disks-under-one-id',
    fault: 'links',
    mimics: 'cockroach#756: one node id, two disks, two quorums',
    edits: [
      {
        file: LINKS,
        find: 'if (before?.peer != null && before.peer.incarnation !== incarnation)',
        put: 'if (before?.peer != null && before.peer.id !== id)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'disk-that-was-set-back-let-in',
    fault: 'links',
    mimics:
      'Jepsen on TigerBeetle, snapshots of files: an older copy of a disk goes on as if it had promised nothing since',
    edits: [
      {
        file: LINKS,
        find: 'if (seen === undefined || !wasSetBack(hello, seen)) return null;',
        put: 'if (seen === undefined || !wasSetBack(hello, hello)) return null;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'acknowledgements-of-this-life-not-remembered',
    fault: 'links',
    mimics: 'tigerbeetle#2767: what a disk forgot since it was opened is not noticed',
    edits: [{ file: LINKS, find: 'if (accepted > seen.accepted) seen.accepted = accepted;', put: '' }],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'replica-of-another-cluster-let-in',
    fault: 'links',
    mimics: 'NuRaft#504: a node joins another cluster',
    edits: [
      { file: LINKS, find: 'if (cluster !== own.cluster) return', put: 'if (cluster === null) return' },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'strangers-without-a-bound',
    fault: 'back-pressure',
    mimics: 'dragonboat#323: connections leak',
    edits: [
      {
        file: LINKS,
        find: 'if (connection.inbound && this.#strangers.size >= STRANGERS_MAX) {',
        put: 'if (connection.inbound && this.#strangers.size < 0) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'peer-that-does-not-read-kept',
    fault: 'back-pressure',
    mimics: 'ZOOKEEPER-3296: the backlog of a dead connection blocks the way back',
    edits: [
      {
        file: LINKS,
        find: '} else if (congested && now - link.congestedSince > SLOW_READER_MS) {',
        put: '} else if (congested && now < 0) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
];
