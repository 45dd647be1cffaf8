/**
 * Three replicas of the protocol in one thread, out of one build: decrees are proposed, accepted by all and chosen. With
 * frames, every message is encoded, checked and decoded as on a connection, and every record's header is written.
 */

import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ByteView } from '../../src/log/record.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import type { DecreeReference } from '../../src/protocol/decree.js';
import type { Effect, LogRecord } from '../../src/protocol/effects.js';
import type { Message } from '../../src/protocol/messages.js';
import type { Replica } from '../../src/protocol/replica.js';
import type { FrameWriter } from '../../src/wire/codec.js';
import type { FrameReader } from '../../src/wire/frame-reader.js';

/** What is measured of a build. */
export interface Build {
  readonly hasContracts: boolean;
  readonly checksum: typeof import('../../src/checksum.js');
  readonly replica: typeof import('../../src/protocol/replica.js');
  readonly configuration: typeof import('../../src/protocol/configuration.js');
  readonly codec: typeof import('../../src/wire/codec.js');
  readonly frameReader: typeof import('../../src/wire/frame-reader.js');
  readonly record: typeof import('../../src/log/record.js');
}

export async function loadBuild(directory: string): Promise<Build> {
  const load = (file: string): Promise<unknown> => import(pathToFileURL(path.join(directory, file)).href);
  const { hasContracts } = (await load('contracts.js')) as typeof import('../../src/contracts.js');
  return {
    hasContracts,
    checksum: (await load('checksum.js')) as Build['checksum'],
    replica: (await load('protocol/replica.js')) as Build['replica'],
    configuration: (await load('protocol/configuration.js')) as Build['configuration'],
    codec: (await load('wire/codec.js')) as Build['codec'],
    frameReader: (await load('wire/frame-reader.js')) as Build['frameReader'],
    record: (await load('log/record.js')) as Build['record'],
  };
}

const options = {
  electionTimeoutMs: 300,
  heartbeatMs: 50,
  pipelineDecreesMax: 256,
  pipelineBytesMax: 16 * 1024 * 1024,
  fetchBytesMax: 1024 * 1024,
};
const MEMBERS = 3;
const DECREE_BYTES = 256;
const LOG_BYTES = 1024 * 1024;
const BATCH = 32;

interface Node {
  readonly number: number;
  readonly core: Replica;
  readonly readers: Map<number, FrameReader>;
  readonly log: ByteView;
  tail: number;
  sequence: number;
  writes: number;
  durable: number;
  inbox: { from: number; message: Message; configuration: number }[];
}

export class Cluster {
  readonly #build: Build;
  readonly #withFrames: boolean;
  readonly #nodes: Node[] = [];
  readonly #configuration: Configuration;
  readonly #writer: FrameWriter;
  readonly #payload = new Uint8Array(DECREE_BYTES).fill(7);
  readonly #payloadChecksum: number;
  #now = 0;

  constructor(build: Build, withFrames: boolean) {
    this.#build = build;
    this.#withFrames = withFrames;
    const { crc32c } = build.checksum;
    this.#writer = new build.codec.FrameWriter(crc32c);
    this.#payloadChecksum = crc32c(this.#payload, 0, DECREE_BYTES, 0);
    const identities = ['a', 'b', 'c'].map((id) => ({ id, incarnation: id.repeat(32) }));
    this.#configuration = build.configuration.genesisConfiguration(identities);
    for (const [index, identity] of identities.entries()) {
      const state = { ...build.replica.emptyState, configuration: this.#configuration };
      const random = (): number => (index === 0 ? 0 : 0.9);
      this.#nodes.push({
        number: index + 1,
        core: new build.replica.Replica(options, identity, state, random, 0),
        readers: new Map(),
        log: build.record.byteView(new Uint8Array(LOG_BYTES)),
        tail: 0,
        sequence: 0,
        writes: 0,
        durable: 0,
        inbox: [],
      });
    }
    for (const node of this.#nodes) {
      for (let peer = 1; peer <= MEMBERS; peer += 1) {
        if (peer === node.number) continue;
        node.core.step({ kind: 'peer-up', peer }, 0);
        node.readers.set(peer, new build.frameReader.FrameReader(crc32c, 1 << 20, () => {}));
      }
    }
    while (this.#primary.core.role !== 'primary') this.#tick();
    this.#settle();
  }

  get #primary(): Node {
    return this.#nodes[0]!;
  }

  /** Has `decrees` decrees chosen everywhere. */
  run(decrees: number): void {
    const { core } = this.#primary;
    const end = core.chosen + decrees;
    while (core.chosen < end) {
      for (let count = 0; count < BATCH && core.canPropose; count += 1) {
        core.step({ kind: 'propose', decree: this.#decree() }, this.#now);
        this.#carryOut(this.#primary, core.takeEffects());
      }
      this.#tick();
    }
  }

  #decree(): DecreeReference {
    return {
      kind: 1,
      bytes: DECREE_BYTES,
      checksum: this.#payloadChecksum,
      commands: 4,
      configuration: null,
      source: null,
    };
  }

  /** A millisecond, and everything that comes of it. */
  #tick(): void {
    this.#now += 1;
    for (const node of this.#nodes) {
      node.core.step({ kind: 'tick' }, this.#now);
      this.#turn(node);
    }
    this.#settle();
  }

  #settle(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const node of this.#nodes) {
        if (node.inbox.length === 0 && node.durable === node.writes) continue;
        busy = true;
        this.#turn(node);
      }
    }
  }

  #turn(node: Node): void {
    const { inbox, core } = node;
    node.inbox = [];
    if (node.durable < node.writes) {
      node.durable = node.writes;
      core.step({ kind: 'durable', write: node.durable }, this.#now);
    }
    for (const { from, configuration, message } of inbox)
      core.step({ kind: 'message', from, configuration, message }, this.#now);
    this.#carryOut(node, core.takeEffects());
  }

  #carryOut(node: Node, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'append') {
        node.writes = effect.write;
        if (this.#withFrames) this.#record(node, effect.record);
      } else if (effect.kind === 'send') this.#send(node, effect.to, effect.message);
    }
  }

  #record(node: Node, record: LogRecord): void {
    const { recordSpan, writeRecordHeader } = this.#build.record;
    const decree = 'decree' in record ? record.decree : null;
    const bytes = decree?.bytes ?? 0;
    if (node.tail + recordSpan(bytes) > LOG_BYTES) node.tail = 0;
    node.sequence += 1;
    writeRecordHeader(
      node.log,
      node.tail,
      {
        payloadBytes: bytes,
        payloadChecksum: decree?.checksum ?? 0,
        kind: decree === null ? 2 : 1,
        decreeKind: decree?.kind ?? 0,
        group: 0,
        ballot: 'ballot' in record ? record.ballot : 0,
        slot: 'slot' in record ? record.slot : 0,
        sequence: node.sequence,
        durable: node.durable,
        chosen: node.core.chosen,
        commandCount: decree?.commands ?? 0,
        segmentNonce: 1,
        previous: 0,
      },
      this.#build.checksum.crc32c,
    );
    node.tail += recordSpan(bytes);
  }

  #send(node: Node, to: number, message: Message): void {
    const target = this.#nodes[to - 1]!;
    const { number: from } = node;
    const { number: configuration } = this.#configuration;
    if (!this.#withFrames) {
      target.inbox.push({ from, configuration, message });
      return;
    }
    const { checkFrame, decodeMessage } = this.#build.codec;
    const payload = 'decree' in message && message.decree.bytes > 0 ? this.#payload : null;
    const bytes = payload?.length ?? 0;
    const headerBytes = this.#writer.message(
      message,
      configuration,
      bytes,
      payload === null ? 0 : this.#payloadChecksum,
    );
    const frame = new Uint8Array(headerBytes + bytes);
    frame.set(this.#writer.bytes.subarray(0, headerBytes));
    if (payload !== null) frame.set(payload, headerBytes);
    const reader = target.readers.get(from)!;
    reader.push(frame, 0, frame.length, 0);
    const read = reader.next()!;
    checkFrame(read);
    target.inbox.push({ from, configuration: read.configuration, message: decodeMessage(read) });
    reader.releaseSpent();
  }
}
