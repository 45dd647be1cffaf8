/** Reads of both kinds, each with numbers of its own, and the lease that may answer one of them. */

import { unreachable } from '../contracts.js';
import type { Acceptor } from './acceptor.js';
import type { Context } from './context.js';
import type { Election } from './election.js';
import type { Input, PeerNumber } from './inputs.js';
import { Lease } from './lease.js';
import type { HeartbeatReply, Message } from './messages.js';
import type { Proposer } from './proposer.js';
import { Reads } from './reads.js';

type ReadingKind =
  | 'read-query'
  | 'read-reply'
  | 'lease-query'
  | 'lease-reply'
  | 'lease-request'
  | 'lease-grant'
  | 'lease-release';

export class Reading {
  readonly lease: Lease;
  readonly #reads: Reads;
  /** Those that the lease may answer. */
  readonly #leaseReads: Reads;

  constructor(context: Context, acceptor: Acceptor, proposer: Proposer, election: Election) {
    this.lease = new Lease(context, acceptor, proposer);
    this.#reads = new Reads(context, proposer, election);
    this.#leaseReads = new Reads(context, proposer, election, this.lease);
  }

  ask({ kind, read }: Extract<Input, { kind: 'read' | 'lease-read' }>): void {
    if (kind === 'read') this.#reads.ask(read);
    else this.#leaseReads.ask(read);
  }

  onMessage(from: PeerNumber, message: Extract<Message, { kind: ReadingKind }>): void {
    switch (message.kind) {
      case 'read-query':
        this.#reads.onQuery(from, message);
        break;
      case 'read-reply':
        this.#reads.onReply(message);
        break;
      case 'lease-query':
        this.#leaseReads.onQuery(from, message);
        break;
      case 'lease-reply':
        this.#leaseReads.onReply(message);
        break;
      case 'lease-request':
        this.lease.onRequest(from, message);
        break;
      case 'lease-grant':
        this.lease.onGrant(from, message);
        break;
      case 'lease-release':
        this.lease.onRelease(message);
        break;
      default:
        unreachable(message);
    }
  }

  onHeartbeatReply(from: PeerNumber, message: HeartbeatReply): void {
    this.#reads.onHeartbeatReply(from, message);
    this.#leaseReads.onHeartbeatReply(from, message);
  }

  onPeerDown(peer: PeerNumber): void {
    this.#reads.onPeerDown(peer);
    this.#leaseReads.onPeerDown(peer);
  }

  /** False for an answer to reads that this process did not make. */
  hasAsked(message: Extract<Message, { kind: 'read-reply' | 'lease-reply' }>): boolean {
    return (message.kind === 'read-reply' ? this.#reads : this.#leaseReads).hasAsked(message);
  }

  /** End of step, on the primary before it sends its heartbeats. */
  begin(): void {
    this.#reads.begin();
    this.#leaseReads.begin();
  }

  /** End of step. */
  finish(): void {
    this.#reads.finish();
    this.#leaseReads.finish();
  }

  /** See `Replica.snapshot`. */
  snapshot(): readonly unknown[] {
    return [this.#reads.snapshot(), this.#leaseReads.snapshot(), this.lease.snapshot()];
  }
}
