/**
 * Links, one object for each of the two directions: what is sent on one arrives in order, or it breaks and all of it is lost. It
 * may stall for as long as it likes, as TCP does, and then deliver what nobody waits for any more.
 */

import type { Message } from '../../src/protocol/messages.js';
import type { Node } from './node.js';

export interface Frame {
  /** In force at the sender when it wrote it. */
  readonly configuration: number;
  readonly message: Message;
}

export class Line {
  readonly from: Node;
  readonly to: Node;
  /** The other direction. */
  readonly back: Line;
  /** As is `back`. */
  isUp = false;
  /** It cannot stand; as is `back`. */
  isCut = false;
  /** This direction alone delivers nothing. */
  isStalled = false;
  frames: Frame[] = [];

  constructor(from: Node, to: Node, back: Line | null = null) {
    this.from = from;
    this.to = to;
    this.back = back ?? new Line(to, from, this);
  }

  get delivers(): boolean {
    return this.isUp && !this.isStalled && this.frames.length > 0;
  }

  send({ configuration, message }: Frame): void {
    if (!this.isUp) return;
    // The sender fills in what a decree lacks when it writes it to its log; no two replicas may share one.
    const own = 'decree' in message ? { ...message, decree: { ...message.decree } } : message;
    this.frames.push({ configuration, message: own });
  }
}
