/**
 * The first configuration: who is to be in it, told by the options or by a caller of `bootstrap`, and when it is drawn up
 * (docs/protocol.md, "The first configuration").
 */

import type { Configuration } from '../protocol/configuration.js';
import { genesisConfiguration } from '../protocol/configuration.js';
import type { Replica } from '../protocol/replica.js';
import { formatAddress } from '../transport/address.js';
import { decodeMemberList, encodeMemberList, type ListedMember } from '../wire/configuration-codec.js';
import { FrameError, FrameKind } from '../wire/frame.js';
import type { EngineParts } from './engine-types.js';
import type { Link } from './links.js';
import type { LogWriter } from './log-writer.js';
import type { MessageSender } from './message-sender.js';
import { versionsOf } from './versions.js';

/** What a caller of `bootstrap` wants. Plain data: it is sent to the worker. */
export interface BootstrapOrder {
  /** Names it in `bootstrap-settled`; above 0. */
  readonly request: number;
  readonly members: readonly ListedMember[];
  readonly timeoutMs: number;
}

export type BootstrapOutcome =
  /** There is a primary under the configuration that was drawn up for this list. */
  | { readonly kind: 'bootstrapped' }
  /** The first configuration was drawn up before the call, for the same list. */
  | { readonly kind: 'already' }
  /** It was drawn up for other members. */
  | { readonly kind: 'otherwise'; readonly ids: readonly string[] }
  /** `id` holds another list, and keeps it. */
  | { readonly kind: 'conflict'; readonly id: string; readonly ids: readonly string[] }
  /** Not within the time of the call. It may yet come: `missing` are those who are not linked, or have not answered. */
  | { readonly kind: 'timeout'; readonly missing: readonly string[] };

export interface FirstConfigurationOptions {
  readonly parts: EngineParts;
  readonly core: Replica;
  readonly log: LogWriter;
  readonly sender: MessageSender;
  readonly incarnation: string;
  readonly links: () => ReadonlyMap<string, Link>;
  /** Appends the record of a list; yields its sequence. */
  readonly record: (payload: Uint8Array) => number;
  /** A list was recorded: whom to be linked with has changed. */
  readonly onList: () => void;
}

interface Call {
  readonly request: number;
  readonly until: number;
}

/** More than the longest list takes. */
const LIST_BYTES_MAX = 4096;
/** Between two invitations of one who has not answered. */
const INVITE_MS = 250;

export class FirstConfiguration {
  /** Known, and perhaps not durable yet. */
  genesis: Configuration | null;

  readonly #options: FirstConfigurationOptions;
  readonly #id: string;
  /** Once no power cut can take it back: only then may it be told to those that link up. */
  #durableGenesis: Configuration | null;
  /** Who is to be in it; null where nobody has told yet. */
  #list: readonly ListedMember[] | null;
  /** Recorded, and not just of the options: then it is this disk's for ever. */
  #isRecorded: boolean;
  /** Of its record; 0 where it may be told of at once. */
  #sequence = 0;
  #isTold = false;
  /** The ids on the list that each link told of. */
  readonly #told: Map<Link, string> = new Map();
  #inviteAt = 0;
  #calls: Call[] = [];

  constructor(options: FirstConfigurationOptions) {
    this.#options = options;
    const { options: opened, recovered } = options.parts;
    const named = opened.members.map(({ id, address }) => ({ id, address: formatAddress(address) }));
    this.#id = opened.replica;
    this.genesis = recovered.genesis;
    this.#durableGenesis = recovered.genesis;
    this.#isRecorded = recovered.list !== null;
    this.#list = recovered.list ?? (named.length > 0 ? named : null);
  }

  /** Whom to be linked with as long as there is no configuration. */
  get list(): readonly ListedMember[] {
    return this.genesis === null ? (this.#list ?? []) : [];
  }

  /** Everything that was written so far is durable. */
  onAllDurable(): void {
    this.#durableGenesis = this.genesis;
  }

  /** Where records became durable, or the log can be written to at last: what may be told now is told. */
  tellWhatIsDurable(): void {
    if (this.#isTold || this.#list === null || this.#options.log.durable < this.#sequence) return;
    this.#isTold = true;
    for (const link of this.#options.links().values()) this.#tell(link);
    this.#inviteAt = 0;
  }

  onLinkUp(link: Link): void {
    if (this.#durableGenesis !== null) {
      if (!link.peer!.hasGenesis) this.#sendGenesis(link, this.#durableGenesis);
    } else if (this.#isTold) {
      this.#tell(link);
      if (this.#isRecorded && this.#isNamed(link)) this.#invite(link);
    }
  }

  onLinkDown(link: Link): void {
    this.#told.delete(link);
  }

  /** A peer gives the first configuration. False where this disk must not take it (rule 4). */
  admits(configuration: Configuration): boolean {
    if (this.genesis !== null) return true;
    if (this.#isRecorded && idsOf(configuration.members) !== idsOf(this.#list!)) {
      this.#settle({ kind: 'otherwise', ids: configuration.members.map(({ id }) => id) });
      return false;
    }
    this.genesis = configuration;
    return true;
  }

  /** Has the first configuration drawn up for these members, and this replica. */
  bootstrap({ request, members, timeoutMs }: BootstrapOrder, now: number): void {
    const ids = idsOf(members);
    if (this.genesis !== null) {
      const first = this.genesis.members;
      if (idsOf(first) === ids) this.#emit(request, { kind: 'already' });
      else this.#emit(request, { kind: 'otherwise', ids: first.map((member) => member.id) });
      return;
    }
    if (this.#list !== null && idsOf(this.#list) !== ids) {
      this.#emit(request, { kind: 'conflict', id: this.#id, ids: this.#list.map((member) => member.id) });
      return;
    }
    if (this.#list === null) {
      if (!this.#hasRoom) {
        this.#emit(request, { kind: 'timeout', missing: [this.#id] });
        return;
      }
      this.#take(members);
    }
    this.#calls.push({ request, until: now + timeoutMs });
  }

  /** A frame of a peer: an invitation, or what list it holds. Throws `FrameError`. */
  onFrame(link: Link, kind: number, payload: Uint8Array): void {
    const list = decodeMemberList(payload);
    if (list === null) throw new FrameError('no list of members');
    if (kind === FrameKind.invite) this.#onInvite(link, list);
    else this.#onEnrolled(link, list);
  }

  tick(now: number): void {
    if (this.#calls.length > 0) this.#judgeCalls(now);
    if (this.genesis !== null || this.#list === null || !this.#isTold) return;
    this.#drawUp();
    if (this.genesis !== null || !this.#isRecorded || now < this.#inviteAt) return;
    this.#inviteAt = now + INVITE_MS;
    const ids = idsOf(this.#list);
    for (const link of this.#options.links().values())
      if (this.#isNamed(link) && this.#told.get(link) !== ids) this.#invite(link);
  }

  #onInvite(link: Link, list: readonly ListedMember[]): void {
    const peer = link.peer!.id;
    if (![this.#id, peer].every((one) => list.some((member) => member.id === one)))
      throw new FrameError('invitation to a list that does not name both ends');
    if (this.#durableGenesis !== null) {
      this.#sendGenesis(link, this.#durableGenesis);
      return;
    }
    if (this.genesis !== null) return;
    // Without room it is asked again.
    if (this.#list === null && this.#hasRoom) this.#take(list);
    else if (this.#isTold) this.#tell(link);
  }

  #onEnrolled(link: Link, list: readonly ListedMember[]): void {
    const ids = idsOf(list);
    this.#told.set(link, ids);
    if (this.genesis !== null || this.#list === null || !this.#isNamed(link)) return;
    if (ids === idsOf(this.#list)) this.#drawUp();
    else this.#settle({ kind: 'conflict', id: link.peer!.id, ids: list.map((member) => member.id) });
  }

  #take(list: readonly ListedMember[]): void {
    const { record, onList } = this.#options;
    this.#list = list;
    this.#isRecorded = true;
    this.#sequence = record(encodeMemberList(list));
    onList();
  }

  /** If it is for this replica to do so, and everyone is there, knows none, and holds the same list. */
  #drawUp(): void {
    const { incarnation, links, core, parts } = this.#options;
    const id = this.#id;
    const list = this.#list!;
    if (this.genesis !== null || !this.#isTold || list.some((other) => other.id < id)) return;
    const ids = idsOf(list);
    const disks: { id: string; incarnation: string; address: string }[] = [];
    const own = versionsOf(parts.options);
    let version = own.max;
    let versionMin = own.min;
    for (const member of list) {
      if (member.id === id) {
        disks.push({ ...member, incarnation });
        continue;
      }
      const link = links().get(member.id);
      if (link?.peer == null || link.peer.hasGenesis || this.#told.get(link) !== ids) return;
      disks.push({ ...member, incarnation: link.peer.incarnation });
      version = Math.min(version, link.peer.versionMax);
      versionMin = Math.max(versionMin, link.peer.versionMin);
    }
    // Not all of them speak one: some must be exchanged first.
    if (version < versionMin) return;
    this.genesis = genesisConfiguration(disks, version);
    // The protocol passes it on to all that are linked once it is durable here.
    const message = { kind: 'genesis', configuration: this.genesis } as const;
    core.step({ kind: 'message', from: 0, configuration: 0, message }, parts.now());
    parts.schedule();
  }

  #judgeCalls(now: number): void {
    const { links, core } = this.#options;
    if (this.genesis !== null && core.primary !== 0) {
      this.#settle({ kind: 'bootstrapped' });
      return;
    }
    const late = this.#calls.filter(({ until }) => now >= until);
    if (late.length === 0) return;
    const list = this.#list ?? [];
    const ids = idsOf(list);
    const missing = list
      .map((member) => member.id)
      .filter((other) => {
        const link = links().get(other);
        return (
          other !== this.#id &&
          (link === undefined || (this.genesis === null && this.#told.get(link) !== ids))
        );
      });
    this.#calls = this.#calls.filter(({ until }) => now < until);
    for (const { request } of late) this.#emit(request, { kind: 'timeout', missing });
  }

  #settle(outcome: BootstrapOutcome): void {
    for (const { request } of this.#calls.splice(0)) this.#emit(request, outcome);
  }

  #emit(request: number, outcome: BootstrapOutcome): void {
    this.#options.parts.emit({ kind: 'bootstrap-settled', request, outcome });
  }

  get #hasRoom(): boolean {
    return this.#options.log.hasRoom(LIST_BYTES_MAX);
  }

  #sendGenesis(link: Link, configuration: Configuration): void {
    this.#options.sender.send(link, { kind: 'genesis', configuration });
  }

  #tell(link: Link): void {
    this.#options.sender.sendPlain(link, FrameKind.enrolled, encodeMemberList(this.#list!));
  }

  #invite(link: Link): void {
    this.#options.sender.sendPlain(link, FrameKind.invite, encodeMemberList(this.#list!));
  }

  #isNamed(link: Link): boolean {
    return this.#list!.some(({ id }) => id === link.peer!.id);
  }
}

/** Two lists with equal ids are the same. */
function idsOf(members: readonly { readonly id: string }[]): string {
  return members
    .map(({ id }) => id)
    .sort()
    .join(' ');
}
