/**
 * Whom this replica votes for, as its application wants it: by a flag, or peer by peer, by what the peer's cookie says
 * (docs/protocol.md, "Leave of the application"). Keeps the protocol's set of those who get no vote, and tells this replica's own cookie.
 */

import type { Crc32c } from '../checksum.js';
import { COOKIE_BYTES_MAX } from '../limits.js';
import type { PeerNumber } from '../protocol/inputs.js';
import { type FrameWriter, joinPayload } from '../wire/codec.js';
import { type Frame, FrameError, FrameKind } from '../wire/frame.js';
import type { Link } from './links.js';
import type { PeerTable } from './peer-table.js';
import { OWN_MEMORY } from './places.js';

export interface VotesOptions {
  /** The application is asked. */
  readonly asks: boolean;
  readonly writer: FrameWriter;
  readonly crc32c: Crc32c;
  readonly peers: Pick<PeerTable, 'link'>;
  readonly ask: (request: number, id: string, cookie: Uint8Array) => void;
  /** An accept of the peer came on the present link, and got no vote. */
  readonly hasLost: (peer: PeerNumber) => boolean;
  /** From here on these get no vote. */
  readonly withhold: (from: ReadonlySet<PeerNumber>, now: number) => void;
  readonly now: () => number;
  readonly patienceMs: () => number;
}

interface Peer {
  readonly link: Link;
  cookie: Uint8Array;
  /** `asked`: no vote until the application answers, or has had its time. */
  state: 'given' | 'asked' | 'refused';
  request: number;
  until: number;
}

const noCookie = new Uint8Array(0);
/** Answers that are remembered: a link that breaks and comes back must not wait for the application again. */
const ANSWERS_MAX = 64;

export class Votes {
  readonly #options: VotesOptions;
  readonly #peers: Map<PeerNumber, Peer> = new Map();
  /** Cookies. Each is told once on a link, whatever number the peer has then and later: its members may not know it for one of them yet. */
  readonly #told: WeakMap<Link, Uint8Array> = new WeakMap();
  /** By id and cookie. */
  readonly #answers: Map<string, boolean> = new Map();
  #withheld: ReadonlySet<PeerNumber> = new Set();
  #cookie: Uint8Array = noCookie;
  #votes = true;
  #requests = 0;

  constructor(options: VotesOptions) {
    this.#options = options;
  }

  /** Before the protocol hears of the link. */
  onPeer(kind: 'peer-up' | 'peer-down', number: PeerNumber): void {
    const link = this.#options.peers.link(number);
    if (kind === 'peer-down' || link === undefined) {
      this.#peers.delete(number);
      this.#apply();
      return;
    }
    if (this.#cookie.length > 0) this.#send(link);
    const cookie = this.#told.get(link) ?? noCookie;
    const peer: Peer = { link, cookie, state: 'asked', request: 0, until: 0 };
    this.#peers.set(number, peer);
    this.#judge(peer);
    this.#apply();
  }

  /** Throws `FrameError`. */
  onCookie(link: Link, frame: Frame): void {
    if (frame.payloadBytes > COOKIE_BYTES_MAX) throw new FrameError(`cookie of ${frame.payloadBytes} bytes`);
    const cookie = joinPayload(frame);
    this.#told.set(link, cookie);
    const peer = this.#peers.get(link.number);
    if (peer === undefined) return;
    peer.cookie = cookie;
    peer.state = 'asked';
    this.#judge(peer);
    this.#apply();
  }

  /** To all peers, and to those that link up from here on. */
  tellCookie(cookie: Uint8Array): void {
    if (Buffer.compare(cookie, this.#cookie) === 0) return;
    this.#cookie = cookie;
    for (const { link } of this.#peers.values()) this.#send(link);
  }

  /** The application votes for others, or for nobody; and is asked anew about everybody. What it said stands until it answers. */
  onFlag(votes: boolean): void {
    this.#votes = votes;
    this.#answers.clear();
    for (const peer of this.#peers.values()) this.#judge(peer);
    this.#apply();
  }

  onAnswer(request: number, may: boolean): void {
    for (const peer of this.#peers.values()) {
      // Late answers count too: nothing was promised that they could break.
      if (peer.request !== request) continue;
      this.#remember(peer, may);
      peer.state = may ? 'given' : 'refused';
    }
    this.#apply();
  }

  /** At a time that other inputs of the same tick have too. */
  tick(now: number): void {
    let isOver = false;
    for (const peer of this.#peers.values()) {
      if (peer.state !== 'asked' || now < peer.until) continue;
      // An application that stands still must not hold up an election.
      peer.state = 'given';
      isOver = true;
    }
    if (isOver) this.#apply(now);
  }

  #judge(peer: Peer): void {
    const { asks, ask, now, patienceMs } = this.#options;
    const known = asks ? this.#answers.get(keyOf(peer)) : true;
    // What was asked about the cookie before says nothing about this one, and may be answered yet.
    peer.request = 0;
    if (known !== undefined) {
      peer.state = known ? 'given' : 'refused';
      return;
    }
    this.#requests += 1;
    peer.request = this.#requests;
    peer.until = now() + patienceMs();
    ask(peer.request, peer.link.peer!.id, peer.cookie);
  }

  #remember(peer: Peer, may: boolean): void {
    this.#answers.set(keyOf(peer), may);
    if (this.#answers.size > ANSWERS_MAX) this.#answers.delete(this.#answers.keys().next().value!);
  }

  #apply(now: number = this.#options.now()): void {
    const { hasLost } = this.#options;
    const before = this.#withheld;
    const withheld = new Set<PeerNumber>();
    const released: Link[] = [];
    for (const [number, peer] of this.#peers) {
      if (this.#votes && peer.state === 'given') {
        if (before.has(number) && hasLost(number)) released.push(peer.link);
        continue;
      }
      withheld.add(number);
    }
    const isSame = withheld.size === before.size && [...withheld].every((number) => before.has(number));
    if (isSame) return;
    this.#withheld = withheld;
    this.#options.withhold(withheld, now);
    // Accepts are sent once on each link: a primary that lost one would wait for its vote for ever.
    for (const link of released) link.connection.close('votes are given to it again');
  }

  #send(link: Link): void {
    const { writer, crc32c } = this.#options;
    const bytes = this.#cookie;
    const headerBytes = writer.plain(FrameKind.cookie, 0, bytes.length, crc32c(bytes, 0, bytes.length, 0));
    if (bytes.length === 0) {
      link.connection.send(writer.bytes, headerBytes);
      return;
    }
    link.sending.push(OWN_MEMORY);
    link.connection.send(writer.bytes, headerBytes, bytes, 0, bytes.length);
  }
}

function keyOf({ link, cookie }: Peer): string {
  return `${link.peer!.id} ${Buffer.from(cookie).toString('latin1')}`;
}
