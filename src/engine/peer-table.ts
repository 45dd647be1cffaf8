/** Who is at the other end of each link, in the protocol's numbers. */

import { MEMBER_NUMBER_MAX, type MemberNumber } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import { memberById, memberByNumber } from '../protocol/configuration.js';
import type { Hello } from './hello.js';
import type { Link } from './links.js';

export interface PeerTableOptions {
  readonly configuration: () => Configuration | null;
  readonly onUp: (number: number, peer: Hello) => void;
  readonly onDown: (number: number) => void;
}

/** The protocol's numbers for peers that are no members: from here on, above all members' numbers. */
const OUTSIDERS = MEMBER_NUMBER_MAX + 1;

export class PeerTable {
  readonly #options: PeerTableOptions;
  readonly #links: Map<number, Link> = new Map();

  constructor(options: PeerTableOptions) {
    this.#options = options;
  }

  link(number: number): Link | undefined {
    return this.#links.get(number);
  }

  idOf(number: MemberNumber): string | null {
    const configuration = this.#options.configuration();
    return configuration === null ? null : (memberByNumber(configuration, number)?.id ?? null);
  }

  /** 0 where no member of the configuration in force has the id. */
  memberNumberOf(id: string): MemberNumber {
    const configuration = this.#options.configuration();
    return configuration === null ? 0 : (memberById(configuration, id)?.number ?? 0);
  }

  add(link: Link): void {
    link.number = this.#numberOf(link);
    this.#links.set(link.number, link);
    this.#options.onUp(link.number, link.peer!);
  }

  remove(link: Link): void {
    if (this.#links.get(link.number) !== link) return;
    this.#links.delete(link.number);
    this.#options.onDown(link.number);
  }

  /** The configuration changed: some are members now that were not, or no longer. */
  renumber(): void {
    for (const link of [...this.#links.values()]) {
      if (this.#numberOf(link) === link.number) continue;
      this.remove(link);
      this.add(link);
    }
  }

  #numberOf(link: Link): number {
    const { id, incarnation } = link.peer!;
    const configuration = this.#options.configuration();
    const member = configuration === null ? undefined : memberById(configuration, id);
    if (member !== undefined && member.incarnation === incarnation) return member.number;
    const known = link.number >= OUTSIDERS && this.#links.get(link.number) === link;
    return known ? link.number : this.#freeNumber();
  }

  #freeNumber(): number {
    let number = OUTSIDERS;
    while (this.#links.has(number)) number += 1;
    return number;
  }
}
