/** Frames, and who is at the other end (docs/wire-format.md; src/wire, src/engine/links.ts). */

import type { Mutant } from '../mutant.js';

const READER = 'wire/frame-reader.ts';
const LINKS = 'engine/links.ts';
const RUNNER = 'engine/effect-runner.ts';
const TCP = 'transport/tcp/tcp-transport.ts';
const greedy = { check: 'unit', file: 'test/application/greedy-fetches.test.ts' } as const;
const tlsTransport = {
  check: 'unit',
  file: 'test/transport/tls.test.ts',
  name: 'a connection that does not shake hands',
} as const;

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
        find: 'if (congested && (asksOn || now - link.congestedSince > SLOW_READER_MS)) {',
        put: 'if (congested && asksOn) {',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'peer-that-asks-on-and-does-not-read-kept',
    fault: 'back-pressure',
    mimics: 'a bound of time where the other side decides how much is queued meanwhile',
    edits: [
      {
        file: LINKS,
        find: 'const asksOn = queuedBytes > link.congestedBytes + sendQueueBytesMax;',
        put: 'const asksOn = false;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'fetches-answered-whether-they-are-read-or-not',
    fault: 'back-pressure',
    mimics: 'requests of a few bytes, each of which makes the server keep millions for who does not read',
    edits: [
      {
        file: RUNNER,
        find: 'link.connection.queuedBytes > sendQueueBytesMax',
        put: 'link.connection.queuedBytes < 0',
      },
    ],
    killedBy: [greedy],
  },
  {
    name: 'all-fetches-of-a-turn-answered-at-once',
    fault: 'back-pressure',
    mimics: 'one connection with many small requests holds up all others',
    edits: [{ file: RUNNER, find: 'this.#served.add(to);', put: '' }],
    killedBy: [greedy],
  },
  {
    name: 'fetch-of-any-size-answered',
    fault: 'back-pressure',
    mimics: 'the size of an answer is what the other side asks for',
    edits: [{ file: RUNNER, find: 'Math.min(bytesMax, fetchBytesMax)', put: 'bytesMax' }],
    killedBy: [greedy],
  },
  {
    name: 'chunks-queued-for-who-does-not-read',
    fault: 'back-pressure',
    mimics: 'a transfer that is bounded in its rate and not in what waits of it',
    edits: [
      {
        file: 'engine/checkpoint-server.ts',
        find: 'link.connection.queuedBytes > sendQueueBytesMax',
        put: 'link.connection.queuedBytes < 0',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/checkpoint-server.test.ts' }],
  },
  {
    name: 'refusal-of-who-was-told-nothing-taken',
    fault: 'links',
    mimics: 'one frame of anybody who reaches the port stops a replica for good',
    edits: [
      {
        file: LINKS,
        find: '(frame.kind === FrameKind.hello) !== link.connection.inbound)',
        put: 'frame.kind !== FrameKind.refusal && (frame.kind === FrameKind.hello) !== link.connection.inbound)',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'refusal-of-an-impostor-taken',
    fault: 'links',
    mimics: 'who answers at the address of a member is taken for it before it has shown who it is',
    edits: [{ file: LINKS, find: 'if (isFinal && this.#isOfPeer(link))', put: 'if (isFinal)' }],
    killedBy: [
      { check: 'unit', file: 'test/engine/links.test.ts' },
      { check: 'unit', file: 'test/application/tls.test.ts' },
    ],
  },
  {
    name: 'set-back-to-before-its-members-waits-for-ever',
    fault: 'links',
    mimics: 'a disk that was set back to before it knew of any members is neither let in nor stopped',
    edits: [
      { file: LINKS, find: 'this.#dials.has(peer.id) || this.#knowsNobody', put: 'this.#dials.has(peer.id)' },
    ],
    killedBy: [
      { check: 'unit', file: 'test/engine/links.test.ts' },
      { check: 'unit', file: 'test/simulation/seeds.test.ts' },
    ],
  },
  {
    name: 'only-member-stopped-by-an-outsider',
    fault: 'links',
    mimics:
      'whoever links up with a replica that has no peers can stop it, also where it is the whole cluster',
    edits: [
      {
        file: LINKS,
        find: 'this.#dials.size === 0 && !this.#options.hello().hasGenesis',
        put: 'this.#dials.size === 0',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'disk-known-by-what-another-replica-says',
    fault: 'links',
    mimics: 'a record that is found by a name that anybody may give',
    edits: [
      { file: LINKS, find: "return [id, incarnation].join(' ');", put: "return [incarnation].join(' ');" },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'outsiders-remembered-for-ever',
    fault: 'back-pressure',
    mimics: 'a table with an entry for each name that ever came, which nothing bounds',
    edits: [
      {
        file: LINKS,
        find: 'if (!this.#everPeers.has(peer.id)) this.#seen.delete(seenKey(peer));',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'reports-of-outsiders-kept',
    fault: 'back-pressure',
    mimics: 'a table with an entry for each name that ever came, which nothing bounds',
    edits: [
      {
        file: 'engine/health.ts',
        find: 'if (link.peer === null || !this.#options.ids().includes(link.peer.id)) return;',
        put: 'if (link.peer === null) return;',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/health.test.ts' }],
  },
  {
    name: 'outsiders-keep-receive-buffers',
    fault: 'back-pressure',
    mimics: 'a few connections that send half a request each take all buffers for good',
    edits: [
      {
        file: LINKS,
        find: 'link.reader.setLending(this.#dials.has(hello.id));',
        put: '',
      },
    ],
    killedBy: [{ check: 'unit', file: 'test/engine/links.test.ts' }],
  },
  {
    name: 'handshakes-of-tls-without-a-bound',
    fault: 'back-pressure',
    mimics: 'connections are counted only once they have been authenticated',
    edits: [
      { file: TCP, find: 'this.#handshakes.size >= TLS_HANDSHAKES_MAX', put: 'this.#handshakes.size < 0' },
    ],
    killedBy: [tlsTransport],
  },
  {
    name: 'handshake-of-tls-that-takes-too-long-left-open',
    fault: 'back-pressure',
    mimics: 'a time that is over is told of, and nobody closes the connection',
    edits: [
      {
        file: TCP,
        find: '      // Where the time is over, Node tells, and leaves the connection as it is.\n      socket.destroy();\n',
        put: '',
      },
    ],
    killedBy: [tlsTransport],
  },
  {
    name: 'close-waits-for-handshakes-of-tls',
    fault: 'links',
    mimics: 'a server that is closed waits for connections that nobody knows of',
    edits: [
      { file: TCP, find: 'for (const socket of this.#handshakes.values()) socket.destroy();', put: '' },
    ],
    killedBy: [tlsTransport],
  },
];
