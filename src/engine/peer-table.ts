/**
 * Who is at the other end of each link, in the protocol's numbers, and the first configuration, which says so
 * (docs/protocol.md, "The first configuration").
 */

import { MEMBER_NUMBER_MAX, type MemberNumber } from '../protocol/ballot.js';
import type { Configuration } from '../protocol/configuration.js';
import { genesisConfiguration, memberById, memberByNumber } from '../protocol/configuration.js';
import { formatAddress } from '../transport/address.js';
import type { Address } from '../transport/transport.js';
import type { Link } from './links.js';

export interface PeerTableOptions {
  /** The members of the options, this replica among them. */
  readonly members: readonly { readonly id: string; readonly address: Address }[];
  readonly id: string;
  readonly incarnation: string;
  readonly genesis: Configuration | null;
  readonly configuration: () => Configuration | null;
  readonly onUp: (number: number) => void;
  readonly onDown: (number: number) => void;
}

/** The protocol's numbers for peers that are no members: from here on, above all members' numbers. */
const OUTSIDERS = MEMBER_NUMBER_MAX + 1;

export class PeerTable {
  /** The first configuration, once it is known. */
  genesis: Configuration | null;

  readonly #options: PeerTableOptions;
  readonly #links: Map<number, Link> = new Map();

  constructor(options: PeerTableOptions) {
    this.#options = options;
    this.genesis = options.genesis;
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
    this.#options.onUp(link.number);
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

  /** The first configuration, if it is for this replica to draw up and everyone is there; `up` are the links by id. */
  drawUpGenesis(up: ReadonlyMap<string, Link>): Configuration | null {
    const { members, id, incarnation } = this.#options;
    if (this.genesis !== null || members.some((other) => other.id < id)) return null;
    const disks: { id: string; incarnation: string; address: string }[] = [];
    for (const member of members) {
      const peer = member.id === id ? null : up.get(member.id)?.peer;
      if (peer === undefined || peer?.hasGenesis) return null;
      const address = formatAddress(member.address);
      disks.push({ id: member.id, incarnation: peer?.incarnation ?? incarnation, address });
    }
    this.genesis = genesisConfiguration(disks);
    return this.genesis;
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
