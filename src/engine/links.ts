/**
 * Links: one connection to each peer, kept up. Whose id is greater dials; the other does where nothing comes of that. A link is up once both sides have said who
 * they are and found the other acceptable; nothing else is read or sent before.
 */

import type { Crc32c } from '../checksum.js';
import type { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import { formatAddress } from '../transport/address.js';
import type { Address, Connection, DialledConnection, Transport } from '../transport/transport.js';
import { checkFrame, FrameWriter, joinPayload } from '../wire/codec.js';
import type { Frame } from '../wire/frame.js';
import { FrameError, FrameKind } from '../wire/frame.js';
import { FrameReader } from '../wire/frame-reader.js';
import type { ResolveAddress } from './address-resolver.js';
import type { Hello, Refusal } from './hello.js';
import { decodeHello, decodeRefusal, encodeHello, encodeRefusal } from './hello.js';
import { OWN_MEMORY } from './places.js';
import { judgeVersions } from './versions.js';

export interface Peer {
  readonly id: string;
  readonly address: Address;
  /** It may know of nobody: it is dialled without waiting for it to dial. */
  readonly isNewcomer?: boolean;
}

export interface LinksOptions {
  readonly transport: Transport;
  /** Whom to be linked with, at first; see `setPeers`. */
  readonly peers: readonly Peer[];
  readonly id: string;
  readonly crc32c: Crc32c;
  readonly logger: Logger;
  readonly frameBytesMax: number;
  readonly handshakeBytesMax: number;
  readonly handshakeTimeoutMs: number;
  /** Bytes queued for one peer beyond which nothing more is sent to it. */
  readonly sendQueueBytesMax: number;
  readonly hello: () => Hello;
  /** Where a peer is to be dialled; null: at its address. */
  readonly resolve: ResolveAddress | null;
  /** Why the other end of the connection may not speak for replica `id`, or null. */
  readonly authenticate: (connection: Connection, id: string) => string | null;
  readonly onUp: (link: Link) => void;
  readonly onDown: (link: Link) => void;
  readonly onCongestion: (link: Link) => void;
  /** A peer refuses this replica for good. */
  readonly onRefused: (refusal: Refusal) => void;
}

/** Milliseconds that a peer may take to be reached and to say who it is. */
export function handshakeTimeoutMs({ electionTimeoutMs }: { readonly electionTimeoutMs: number }): number {
  return Math.max(1000, electionTimeoutMs * 4);
}

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 500;
/** After a refusal: it does not change soon. */
const REFUSED_RETRY_MS = 2000;
/** A peer whose queue stays over its bound for this long is cut off. */
const SLOW_READER_MS = 10_000;
/** Whose id is smaller is dialled too, once nothing was heard of it for so long: it may not know of this replica. */
const REVERSE_DIAL_MS = 2000;
/** What one tick adds to a link's silence at most: where this thread stood still itself, what came meanwhile is read only after the tick. */
const SILENT_TICK_MS_MAX = 100;
/** A peer that was not linked for so long is told of, once until it is: a restart is over by then, and a wrong address or a firewall is not. */
const MISSED_MS = 10_000;
/** Connections that have not said who they are. */
const STRANGERS_MAX = 64;
/** Linked replicas that are no peers: those that were members once, or may become some. */
const OUTSIDERS_MAX = 16;

/** The most that a disk ever told of itself, or acknowledged here: less means that it was set back. */
interface Seen {
  start: number;
  life: string;
  sequence: number;
  promised: number;
  accepted: number;
}

export class Link {
  readonly connection: Connection;
  readonly reader: FrameReader;
  readonly since: number;
  peer: Hello | null = null;
  /** What its disk told of itself, once it is let in. */
  seen: Seen | null = null;
  /** The number that the protocol knows the peer by, while the link is up. */
  number = 0;
  /** It was told that it is not let in; until it closes, it may take itself for let in. */
  refused = false;
  congested = false;
  congestedSince = 0;
  /** What was queued at that moment. */
  congestedBytes = 0;
  /** For how long nothing has come, while this thread would have noticed. */
  silentMs = 0;
  /**
   * Where the payloads lie that were sent and may still be referred to, oldest first: a segment, `-1 - chunk` for a chunk
   * of the application's outbox, `FETCH_MEMORY - buffer` for one of the fetch server's, or `OWN_MEMORY`.
   */
  readonly sending: number[] = [];

  constructor(connection: Connection, reader: FrameReader, since: number) {
    this.connection = connection;
    this.reader = reader;
    this.since = since;
  }
}

interface Dial {
  readonly token: number;
  peer: Peer;
  state: 'idle' | 'dialling' | 'connected';
  at: number;
  retryMs: number;
  lastReason: string;
  /** Since when there is no link; infinite once that was told. */
  missedSince: number;
}

export class Links {
  /** Links that are up, by peer id. */
  readonly up: Map<string, Link> = new Map();

  readonly #options: LinksOptions;
  readonly #writer: FrameWriter;
  readonly #dials: Map<string, Dial> = new Map();
  /** Also those that are peers no more: a disk of theirs that comes back must not have forgotten what it promised in their time. */
  readonly #everPeers: Set<string> = new Set();
  #tokens = 0;
  readonly #strangers: Set<Link> = new Set();
  /** Up no more, and not closed yet: their connections may still refer to what was sent. */
  readonly #leaving: Set<Link> = new Set();
  /** By id and incarnation. */
  readonly #seen: Map<string, Seen> = new Map();
  #now = 0;

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#writer = new FrameWriter(options.crc32c);
    this.setPeers(options.peers);
  }

  /** Whom to be linked with from now on, and where they are. Links that stand go on. */
  setPeers(peers: readonly Peer[]): void {
    for (const id of this.#dials.keys()) if (!peers.some((peer) => peer.id === id)) this.#dials.delete(id);
    for (const peer of peers) {
      this.#everPeers.add(peer.id);
      const dial = this.#dials.get(peer.id);
      if (dial !== undefined) {
        dial.peer = peer;
        continue;
      }
      const at = this.#now + (this.#isForThisToDial(peer) ? 0 : REVERSE_DIAL_MS);
      const token = this.#tokens;
      this.#tokens += 1;
      this.#dials.set(peer.id, {
        ...{ token, peer, state: 'idle', at, retryMs: RETRY_MS_MIN, lastReason: '' },
        missedSince: this.#now,
      });
    }
    for (const [id, { reader }] of this.up) reader.setLending(this.#dials.has(id));
  }

  /** Adds the memories that connections may still refer to, as in `Link.sending`. */
  addMemories(used: Set<number>): void {
    for (const link of this.up.values()) for (const memory of link.sending) used.add(memory);
    for (const link of this.#leaving) for (const memory of link.sending) used.add(memory);
  }

  /** The link is the one to its peer, and stands. */
  isUp(link: Link): boolean {
    return this.up.get(link.peer?.id ?? '') === link;
  }

  /** Dials whom it is time to dial, and cuts off who does not say who he is. */
  tick(now: number): void {
    const passedMs = Math.min(SILENT_TICK_MS_MAX, now - this.#now);
    for (const link of this.up.values()) link.silentMs += passedMs;
    this.#now = now;
    for (const dial of this.#dials.values()) {
      if (this.up.has(dial.peer.id)) continue;
      if (now - dial.missedSince >= MISSED_MS) this.#tellMissed(dial);
      if (dial.state !== 'idle' || now < dial.at) continue;
      dial.state = 'dialling';
      this.#dial(dial);
    }
    for (const link of this.#strangers) {
      if (now - link.since > this.#options.handshakeTimeoutMs) link.connection.close('no handshake in time');
    }
  }

  #tellMissed(dial: Dial): void {
    const { id, address } = dial.peer;
    dial.missedSince = Number.POSITIVE_INFINITY;
    const fields = { peer: id, address: formatAddress(address), reason: dial.lastReason };
    this.#options.logger.warn(fields, 'no link to peer');
  }

  #dial(dial: Dial): void {
    const { resolve, transport, handshakeTimeoutMs } = this.#options;
    if (resolve === null) {
      transport.connect(dial.peer.address, dial.token, handshakeTimeoutMs);
      return;
    }
    resolve(dial.peer, (address, reason) => {
      // No peer any more, while it was asked for.
      if (this.#dials.get(dial.peer.id) !== dial) return;
      if (address === null) this.#redial(dial, reason, false);
      else transport.connect(address, dial.token, handshakeTimeoutMs);
    });
  }

  /**
   * A peer that reads too slowly gets nothing more until half of its queue is gone; if it does not read, it is cut off, and at once where
   * its queue grows all the same: that is what it asks for.
   */
  checkCongestion(now: number): void {
    const { sendQueueBytesMax, onCongestion, logger } = this.#options;
    for (const link of this.up.values()) {
      const { queuedBytes } = link.connection;
      const congested = queuedBytes > (link.congested ? sendQueueBytesMax / 2 : sendQueueBytesMax);
      if (congested !== link.congested) {
        link.congested = congested;
        link.congestedSince = now;
        link.congestedBytes = queuedBytes;
        onCongestion(link);
        continue;
      }
      const asksOn = queuedBytes > link.congestedBytes + sendQueueBytesMax;
      if (congested && (asksOn || now - link.congestedSince > SLOW_READER_MS)) {
        logger.warn({ peer: link.peer?.id, queuedBytes }, 'peer reads too slowly');
        link.connection.close('reads too slowly');
      }
    }
  }

  onConnection(connection: Connection): void {
    const { crc32c, handshakeBytesMax } = this.#options;
    if (connection.inbound && this.#strangers.size >= STRANGERS_MAX) {
      connection.close('too many connections that have not said who they are');
      return;
    }
    const reader = new FrameReader(crc32c, handshakeBytesMax, (lease) => connection.release(lease));
    const link = new Link(connection, reader, this.#now);
    connection.context = link;
    this.#strangers.add(link);
    if (!connection.inbound) {
      const dial = this.#dialOf((connection as DialledConnection).token);
      if (dial !== undefined) dial.state = 'connected';
      this.#send(link, FrameKind.hello, encodeHello(this.#options.hello()));
    }
  }

  onConnectFailed(token: number, error: SynodError): void {
    const dial = this.#dialOf(token);
    if (dial === undefined) return;
    this.#redial(dial, error.message, false);
  }

  onClosed(connection: Connection, reason: string): void {
    const link = connection.context as Link | null;
    if (link === null || link === undefined) return;
    this.#strangers.delete(link);
    this.#leaving.delete(link);
    link.reader.drop();
    link.sending.length = 0;
    const id = link.peer?.id;
    if (id !== undefined && this.up.get(id) === link) {
      this.up.delete(id);
      const dial = this.#dials.get(id);
      if (dial !== undefined) dial.missedSince = this.#now;
      if (dial?.state === 'idle') this.#wait(dial, RETRY_MS_MIN);
      this.#forget(link.peer!);
      this.#options.logger.info({ peer: id, reason }, 'peer down');
      this.#options.onDown(link);
    }
    if (!connection.inbound) {
      const dial = this.#dialOf((connection as DialledConnection).token);
      if (dial !== undefined) this.#redial(dial, reason, link.peer === null);
    } else if (link.peer === null) {
      this.#options.logger.info(
        { remote: connection.remote, reason },
        'connection without a handshake closed',
      );
    }
  }

  /** The next frame of an up link, or null. Hand-shake frames are dealt with here. Closes the connection on garbage. */
  nextFrame(link: Link): Frame | null {
    if (link.refused) {
      // Nobody reads it any more: kept, it would take the receive buffers of the others.
      link.reader.drop();
      return null;
    }
    // Replaced by a newer one in this very turn: what it still brought is sent again there.
    if (this.#leaving.has(link)) return null;
    try {
      for (;;) {
        const frame = link.reader.next();
        if (frame === null) {
          link.silentMs = 0;
          // A stranger may take its time, and a few bytes of its may keep a whole receive buffer: it lends none.
          if (link.peer === null) link.reader.copyHeld();
          return null;
        }
        checkFrame(frame);
        const isHandshake = frame.kind < FrameKind.statusQuery;
        if (link.peer === null) {
          if (!isHandshake) throw new FrameError('a frame before the handshake');
          this.#onHandshake(link, frame);
          if (this.#strangers.has(link)) {
            link.reader.drop();
            return null;
          }
        } else if (frame.kind === FrameKind.refusal) {
          // The other side found the answer to its hello wanting.
          this.#onRefusal(link, frame);
          return null;
        } else if (isHandshake) throw new FrameError('a second handshake');
        else return frame;
      }
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#cutOff(link, error.message);
      return null;
    }
  }

  /** Peers that do not speak the version of the protocol that has come into force take no part any more, until a newer build of them links up. */
  cutOlder(version: number): void {
    for (const link of [...this.up.values()]) {
      const { id, versionMax } = link.peer!;
      if (versionMax >= version) continue;
      this.#options.logger.warn({ peer: id, version, versionMax }, 'peer is of too old a build');
      link.connection.close(`version ${version} of the protocol is in force`);
    }
  }

  /** A frame of the link made no sense. */
  refuseFrame(link: Link, error: FrameError): void {
    this.#cutOff(link, error.message);
  }

  #cutOff(link: Link, reason: string): void {
    const { remote } = link.connection;
    this.#options.logger.warn({ remote, peer: link.peer?.id ?? null, reason }, 'connection cut off');
    link.connection.close(reason);
  }

  #onHandshake(link: Link, frame: Frame): void {
    // A refusal is an answer, as a welcome is: who dialled has not been told anything yet that it could refuse.
    if ((frame.kind === FrameKind.hello) !== link.connection.inbound)
      throw new FrameError('handshake out of turn');
    if (frame.kind === FrameKind.refusal) {
      this.#onRefusal(link, frame);
      return;
    }
    const hello = decodeHello(joinPayload(frame));
    if (hello === null) throw new FrameError('handshake that cannot be read');
    if (link.connection.inbound && this.#meetsOwnDial(hello.id)) {
      // Both dialled at the same time: the connection of the greater id is the one.
      link.connection.close('this replica dials already');
      return;
    }
    const refusal = this.#judge(link.connection, hello);
    if (refusal !== null) {
      const { reason } = refusal;
      this.#options.logger.warn({ remote: link.connection.remote, peer: hello.id, reason }, 'peer refused');
      this.#send(link, FrameKind.refusal, encodeRefusal(refusal));
      link.refused = true;
      // The refusal must get out first: a close drops what is queued. The peer closes, or the time runs out.
      return;
    }
    const before = this.up.get(hello.id);
    // The same disk again: its process was started anew, or the connection broke and only the peer has noticed.
    before?.connection.close('replaced by a newer connection of the same replica');
    if (before !== undefined && this.up.get(hello.id) === before) {
      this.up.delete(hello.id);
      this.#leaving.add(before);
      this.#forget(before.peer!);
      before.peer = null;
      this.#options.onDown(before);
    }
    this.#strangers.delete(link);
    link.peer = hello;
    link.reader.setFrameBytesMax(this.#options.frameBytesMax);
    // There are few peers, but whoever else is linked could keep every receive buffer by frames that never end.
    link.reader.setLending(this.#dials.has(hello.id));
    link.seen = this.#remember(hello);
    if (link.connection.inbound) this.#send(link, FrameKind.welcome, encodeHello(this.#options.hello()));
    else {
      const dial = this.#dials.get(hello.id);
      if (dial !== undefined) dial.retryMs = RETRY_MS_MIN;
    }
    this.up.set(hello.id, link);
    this.#options.logger.info({ peer: hello.id, remote: link.connection.remote }, 'peer up');
    this.#options.onUp(link);
  }

  #onRefusal(link: Link, frame: Frame): void {
    const refusal = decodeRefusal(joinPayload(frame));
    const { reason, isFinal } = refusal;
    this.#options.logger.warn({ remote: link.connection.remote, reason }, 'refused by peer');
    link.connection.close(`refused by peer: ${reason}`);
    if (isFinal && this.#isOfPeer(link)) this.#options.onRefused(refusal);
  }

  /**
   * At the other end is a peer of this replica, or who was dialled as one and may speak for it. Nobody else can stop this replica, unless it knows of
   * nobody: whoever links up may give it its members then, and a disk that was set back to before it had any would wait for them for ever.
   */
  #isOfPeer({ peer, connection }: Link): boolean {
    if (peer !== null) return this.#dials.has(peer.id) || this.#knowsNobody;
    const dial = this.#dialOf((connection as DialledConnection).token);
    return dial !== undefined && this.#options.authenticate(connection, dial.peer.id) === null;
  }

  get #knowsNobody(): boolean {
    return this.#dials.size === 0 && !this.#options.hello().hasGenesis;
  }

  /** Why the peer cannot be let in, or null. */
  #judge(connection: Connection, hello: Hello): Refusal | null {
    const own = this.#options.hello();
    const { id, cluster, incarnation } = hello;
    if (cluster !== own.cluster) return notNow(`cluster "${cluster}", this is "${own.cluster}"`);
    const version = judgeVersions(own, hello);
    if (version !== null) return version;
    if (id === own.id) return notNow(`replica id "${id}" is this replica's own`);
    if (this.#isOneTooMany(id)) return notNow('too many replicas that are no members');
    const impostor = this.#options.authenticate(connection, id);
    if (impostor !== null) return notNow(impostor);
    const before = this.up.get(id);
    if (before?.peer != null && before.peer.incarnation !== incarnation) {
      // A replica tells of itself all the time. One whose machine is gone without a word would keep its place until TCP gives up, which
      // takes a quarter of an hour, from the machine that has come in its stead.
      if (before.silentMs <= this.#options.handshakeTimeoutMs)
        return notNow(`replica id "${id}" is in use by another disk`);
      this.#options.logger.warn({ peer: id, silentMs: before.silentMs }, 'peer is silent, another disk asks');
    }
    const seen = this.#seen.get(seenKey(hello));
    if (seen === undefined || !wasSetBack(hello, seen)) return null;
    return { reason: `the disk of "${id}" was set back: it forgot what it once acknowledged`, isFinal: true };
  }

  #remember(hello: Hello): Seen {
    const { start, life, sequence, promised, accepted } = hello;
    const key = seenKey(hello);
    const before = this.#seen.get(key);
    const seen = {
      start,
      life,
      sequence,
      promised: Math.max(promised, before?.promised ?? 0),
      accepted: Math.max(accepted, before?.accepted ?? 0),
    };
    this.#seen.set(key, seen);
    return seen;
  }

  /** Whoever never was a peer may come again under ever new names. */
  #forget(peer: Hello): void {
    if (!this.#everPeers.has(peer.id)) this.#seen.delete(seenKey(peer));
  }

  /** The peer's disk holds a promise of ballot `promised`, and decrees up to slot `accepted`: it said so. */
  onAcknowledged({ seen }: Link, promised: number, accepted: number): void {
    if (seen === null) return;
    if (promised > seen.promised) seen.promised = promised;
    if (accepted > seen.accepted) seen.accepted = accepted;
  }

  #send(link: Link, kind: 1 | 2 | 3, payload: Uint8Array): void {
    const checksum = this.#options.crc32c(payload, 0, payload.length, 0);
    const headerBytes = this.#writer.plain(kind, 0, payload.length, checksum);
    link.sending.push(OWN_MEMORY);
    link.connection.send(this.#writer.bytes, headerBytes, payload, 0, payload.length);
  }

  #meetsOwnDial(id: string): boolean {
    if (id > this.#options.id || this.up.has(id)) return false;
    return this.#dials.get(id)?.state === 'connected';
  }

  #isOneTooMany(id: string): boolean {
    if (this.#dials.has(id) || this.up.has(id)) return false;
    let outsiders = 0;
    for (const other of this.up.keys()) if (!this.#dials.has(other)) outsiders += 1;
    return outsiders >= OUTSIDERS_MAX;
  }

  #redial(dial: Dial, reason: string, refused: boolean): void {
    dial.state = 'idle';
    this.#wait(dial, refused && reason.startsWith('refused') ? REFUSED_RETRY_MS : dial.retryMs);
    dial.retryMs = Math.min(RETRY_MS_MAX, dial.retryMs * 2);
    if (reason !== dial.lastReason) {
      dial.lastReason = reason;
      this.#options.logger.debug({ peer: dial.peer.id, reason }, 'peer cannot be reached');
    }
  }

  #wait(dial: Dial, ms: number): void {
    dial.at = this.#now + (this.#isForThisToDial(dial.peer) ? ms : Math.max(ms, REVERSE_DIAL_MS));
  }

  #isForThisToDial({ id, isNewcomer = false }: Peer): boolean {
    return id < this.#options.id || isNewcomer;
  }

  #dialOf(token: number): Dial | undefined {
    for (const dial of this.#dials.values()) if (dial.token === token) return dial;
    return undefined;
  }
}

function notNow(reason: string): Refusal {
  return { reason, isFinal: false };
}

/** Its incarnation is no secret: under another id, nobody must speak for its disk. */
function seenKey({ id, incarnation }: Hello): string {
  return [id, incarnation].join(' ');
}

function wasSetBack(hello: Hello, seen: Seen): boolean {
  // A connection of the same process again; or a second opening that has not counted the first.
  if (hello.start === seen.start) return hello.life !== seen.life;
  return (
    hello.start < seen.start ||
    hello.sequence < seen.sequence ||
    hello.promised < seen.promised ||
    hello.accepted < seen.accepted
  );
}
