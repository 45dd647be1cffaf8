/** Aim: what a peer missed is sent to it out of the log, from buffers that are used again, but not while a link sends from them. */

import { beforeEach, describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { FETCH_MEMORY, FetchServer } from '../../src/engine/fetch-server.js';
import type { Link } from '../../src/engine/links.js';
import { LogReader } from '../../src/engine/log-reader.js';
import { HeapPlace, LogPlace, OWN_MEMORY } from '../../src/engine/places.js';
import type { SynodError } from '../../src/errors.js';
import type { Message } from '../../src/protocol/messages.js';
import { LogRig } from './log-rig.js';

const DECREE_BYTES = 3000;
const DECREES = 120;
const EVERYTHING = 1e9;

/** Its connection sends nothing until `flush`: what was put on it is read there only then. */
class FakeLink {
  readonly sending: number[] = [];
  readonly queue: { slot: number; payload: Uint8Array; memory: number }[] = [];
  readonly got: number[] = [];
  ends = 0;

  put(message: Message, rig: LogRig): void {
    if (message.kind === 'fetch-end') this.ends += 1;
    if (message.kind !== 'learn') return;
    const { source, bytes } = message.decree;
    const memory =
      source instanceof LogPlace ? source.segment : source instanceof HeapPlace ? source.memory : OWN_MEMORY;
    const payload =
      source instanceof LogPlace
        ? rig.log.resident.get(source.segment)!.bytes.subarray(source.offset, source.offset + bytes)
        : (source as HeapPlace).parts[0]!;
    this.sending.push(memory);
    this.queue.push({ slot: message.slot, payload, memory });
  }

  flush(): void {
    for (const { slot, payload } of this.queue) {
      expect(payload.length).toBe(DECREE_BYTES);
      expect(
        payload.every((byte) => byte === slot % 251),
        `slot ${slot} is as it was chosen`,
      ).toBe(true);
      this.got.push(slot);
    }
    this.queue.length = 0;
    this.sending.length = 0;
  }
}

let rig: LogRig;
let fetches: FetchServer;
let links: FakeLink[];
let down: Set<FakeLink>;
let errors: SynodError[];

beforeEach(() => {
  rig = new LogRig();
  rig.begin();
  for (let slot = 1; slot <= DECREES; slot += 1) rig.accept(slot, DECREE_BYTES);
  rig.forgetSealed();
  links = [new FakeLink(), new FakeLink()];
  down = new Set();
  errors = [];
  fetches = new FetchServer({
    reader: new LogReader(rig.medium, rig.recovered.state.index, rig.log.resident, crc32c),
    send: (link, message) => (link as unknown as FakeLink).put(message, rig),
    isUp: (link) => !down.has(link as unknown as FakeLink),
    addMemories: (used) => {
      for (const { sending } of links) for (const memory of sending) used.add(memory);
    },
    onError: (error) => void errors.push(error),
    onSent: () => {},
  });
});

const serve = (link: FakeLink, from: number, bytesMax: number): void =>
  fetches.serve(link as unknown as Link, from, DECREES, bytesMax);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const buffersOf = (...of: FakeLink[]): Set<number> =>
  new Set(of.flatMap(({ queue }) => queue.map(({ memory }) => memory)).filter((one) => one <= FETCH_MEMORY));

describe('FetchServer', () => {
  it('sends all that is chosen, whether it is in memory or has to be read', () => {
    serve(links[0]!, 1, EVERYTHING);
    rig.queue.run();
    links[0]!.flush();
    expect(links[0]!.got).toEqual(upTo(DECREES));
    expect(links[0]!.ends).toBe(1);
    expect(errors).toEqual([]);
  });

  it('uses its buffers again once everything was sent out of them', () => {
    const [link] = links as [FakeLink];
    const buffers = new Set<number>();
    for (let from = 1; from <= DECREES; from = link.got.at(-1)! + 1) {
      serve(link, from, 5 * DECREE_BYTES);
      rig.queue.run();
      for (const memory of buffersOf(link)) buffers.add(memory);
      link.flush();
    }
    expect(link.got).toEqual(upTo(DECREES));
    expect(buffers.size, 'a request may go on in the next segment').toBeLessThanOrEqual(2);
  });

  it('overwrites nothing that a link still sends, however many ask', () => {
    const [one, other] = links as [FakeLink, FakeLink];
    serve(one, 1, EVERYTHING);
    serve(other, 40, EVERYTHING);
    rig.queue.run();
    expect(buffersOf(one).size, 'of its own for each chunk that waits').toBeGreaterThan(1);
    serve(one, 1, EVERYTHING);
    rig.queue.run();
    one.flush();
    other.flush();
    expect(one.got).toEqual([...upTo(DECREES), ...upTo(DECREES)]);
    expect(other.got).toEqual(upTo(DECREES).slice(39));
  });

  it('reads for one link into what no other is reading into', () => {
    const [one, other] = links as [FakeLink, FakeLink];
    serve(one, 1, 5 * DECREE_BYTES);
    serve(other, 60, 5 * DECREE_BYTES);
    rig.queue.run();
    one.flush();
    other.flush();
    expect(one.got[0]).toBe(1);
    expect(other.got[0]).toBe(60);
  });

  it('sends nothing to a link that went down while the log was read', () => {
    const [link] = links as [FakeLink];
    serve(link, 1, EVERYTHING);
    down.add(link);
    rig.queue.run();
    expect(link.queue).toEqual([]);
  });
});
