/**
 * What the application's side knows of the member set: in the order of the log, so that everything before a change was executed
 * when it is told of; and the changes that somebody waits for.
 */

import { SynodError } from '../errors.js';
import { CONFIGURATION_BYTES_MAX, CONFIGURATION_COOKIE_BYTES_MAX, MEMBERS_MAX } from '../limits.js';
import type { Configuration } from '../protocol/configuration.js';
import { memberById, versionOf } from '../protocol/configuration.js';
import type { ChangeOutcome, MemberChange, VersionRaise } from '../protocol/reconfiguration.js';
import { formatAddress, parseAddress } from '../transport/address.js';
import { decodeConfiguration, isMemberId, memberListBytes } from '../wire/configuration-codec.js';
import { badArgument, checkOptions } from './bad-argument.js';
import type { RaiseOptions } from './replica-calls.js';

/** One member of a set: its id, and `host:port` where the others reach it. */
export interface ConfigurationMember {
  readonly id: string;
  readonly address: string;
}

export interface MemberSet {
  /** 1 for the first; each change has the next number. */
  readonly number: number;
  readonly members: readonly ConfigurationMember[];
  /** What whoever changed the set left with it; null where that was nothing. */
  readonly cookie: Uint8Array | null;
  /** Of the protocol, that is in force with it. */
  readonly version: number;
}

export interface MemberSetChange extends MemberSet {
  /** This replica is a member now, … */
  readonly isMember: boolean;
  /** … and was one before. */
  readonly wasMember: boolean;
}

export interface ChangeOptions {
  /**
   * Up to 8,192 bytes that travel with the member set, and stay with it until the next change. Default: none.
   */
  readonly cookie?: Uint8Array | undefined;
  /**
   * Also where newcomers have not caught up or are not even there, and where no quorum of the new set is linked. Default: false.
   *
   * Danger: until enough of them have come, the cluster may choose nothing.
   */
  readonly force?: boolean | undefined;
  /**
   * Number of the member set that is to be replaced: where another one is in force, nothing is changed (`ERR_SYNOD_SUPERSEDED`). So two
   * who each add to what they have read do not undo each other's change. Default: whatever is in force.
   */
  readonly ifNumber?: number | undefined;
}

export interface MembershipOptions {
  readonly replica: string;
  /** The greatest decree, of which a member set is one. */
  readonly decreeBytesMax?: number;
  /** The options name no members: until there is a member set, nothing is taken. */
  readonly startsInactive?: boolean;
  /** To the engine. */
  readonly send: (change: MemberChange | VersionRaise) => void;
  readonly onChange: (change: MemberSetChange) => void;
  /** Taken out: nobody will answer what was given to this replica. */
  readonly onRemoved: (error: SynodError) => void;
}

export type ChosenChange = Extract<ChangeOutcome, { kind: 'chosen' }>;

export interface AskedChange {
  resolve(chosen: ChosenChange): void;
  reject(error: SynodError): void;
}

export class Membership {
  /** In force behind what was executed; null before the first. */
  current: MemberSet | null = null;

  readonly #options: MembershipOptions;
  readonly #asked: Map<number, AskedChange> = new Map();
  #requests = 0;
  /** In force as the engine knows it, which is ahead of what was executed. */
  #engine: Configuration | null = null;
  /** Was in force when the replica was opened: changes up to it are no news. */
  #recovered = 0;
  #isMember = false;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Why commands are not taken; null where they are. */
  get refusal(): SynodError | null {
    const { replica, startsInactive = false } = this.#options;
    if (this.#engine === null) {
      if (!startsInactive) return null;
      return new SynodError('ERR_SYNOD_INACTIVE', `"${replica}" was not bootstrapped yet`, {
        outcome: 'not-applied',
      });
    }
    if (memberById(this.#engine, replica) !== undefined) return null;
    return new SynodError(
      'ERR_SYNOD_INACTIVE',
      `"${replica}" is not in the member set ${this.#engine.number}`,
      { outcome: 'not-applied' },
    );
  }

  /** Throws `ERR_SYNOD_ARGUMENT`. */
  change(members: readonly ConfigurationMember[], options: ChangeOptions, asked: AskedChange): void {
    const { decreeBytesMax = Number.POSITIVE_INFINITY } = this.#options;
    const change = checkChange(members, options, decreeBytesMax);
    this.#options.send({ ...change, request: this.#note(asked) });
  }

  /** Throws `ERR_SYNOD_ARGUMENT`. */
  raise(options: RaiseOptions, asked: AskedChange): void {
    checkOptions(options, ['version']);
    const { version } = options;
    if (version !== undefined && !(Number.isSafeInteger(version) && version >= 1))
      throw badArgument(`version: expected a whole number from 1 on, got ${shown(version)}`);
    this.#options.send({ request: this.#note(asked), version: version ?? 0 });
  }

  #note(asked: AskedChange): number {
    this.#requests += 1;
    this.#asked.set(this.#requests, asked);
    return this.#requests;
  }

  onSettled(request: number, outcome: ChangeOutcome, primary: string | null): void {
    const asked = this.#asked.get(request);
    this.#asked.delete(request);
    if (asked === undefined) return;
    if (outcome.kind === 'chosen') asked.resolve(outcome);
    else asked.reject(errorOf(outcome, primary));
  }

  /** The engine works under it. */
  onEngine(bytes: Uint8Array, recovered: number): void {
    this.#engine = decodeConfiguration(bytes);
    this.#recovered = recovered;
    this.#lookAround();
  }

  /** Everything before it was executed. */
  onExecuted(bytes: Uint8Array): void {
    const configuration = decodeConfiguration(bytes);
    if (configuration === null || configuration.number <= (this.current?.number ?? 0)) return;
    const { number, members, cookie } = configuration;
    const wasMember = this.#isMember;
    this.#isMember = memberById(configuration, this.#options.replica) !== undefined;
    this.current = {
      number,
      members: members.map(({ id, address }) => ({ id, address: address ?? '' })),
      cookie: cookie === undefined ? null : new Uint8Array(Buffer.from(cookie, 'base64')),
      version: versionOf(configuration),
    };
    if (number > this.#recovered)
      this.#options.onChange({ ...this.current, isMember: this.#isMember, wasMember });
    this.#lookAround();
  }

  /** The replica is closed or fenced. */
  rejectAll(error: SynodError): void {
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }

  /** Only once everything up to the change is executed: until then there are results to come. */
  #lookAround(): void {
    // The first is told before the engine works under any.
    if (this.#engine === null) return;
    const { refusal } = this;
    if (refusal === null || this.current === null || this.current.number < this.#engine.number) return;
    this.#options.onRemoved(new SynodError('ERR_SYNOD_INACTIVE', refusal.message, { outcome: 'unknown' }));
  }
}

function errorOf(outcome: Exclude<ChangeOutcome, { kind: 'chosen' }>, primary: string | null): SynodError {
  if (outcome.kind === 'unknown')
    return new SynodError('ERR_SYNOD_SUPERSEDED', 'others changed the member set since: see what it is now', {
      outcome: 'unknown',
    });
  const missing = outcome.missing.join(', ');
  switch (outcome.reason) {
    case 'not-primary':
      return refused(
        'ERR_SYNOD_NOT_PRIMARY',
        primary === null ? 'this replica is not the primary' : `the primary is "${primary}"`,
      );
    case 'in-flight':
      return refused('ERR_SYNOD_CHANGE_IN_FLIGHT', 'another change of the member set is under way');
    case 'no-quorum':
      return refused('ERR_SYNOD_NO_QUORUM', `not linked, or not caught up: ${missing}`);
    case 'no-number':
      return refused('ERR_SYNOD_NO_QUORUM', 'all member numbers were given out');
    case 'version':
      return refused(
        'ERR_SYNOD_VERSION',
        missing === ''
          ? 'a higher version of the protocol is in force'
          : `that version of the protocol is not spoken by ${missing}`,
      );
    case 'changed':
      return refused('ERR_SYNOD_SUPERSEDED', 'another member set is in force than the one to be replaced');
    case 'superseded':
      return refused('ERR_SYNOD_SUPERSEDED', 'another primary put something else into its place');
  }
}

function refused(code: SynodError['code'], message: string): SynodError {
  return new SynodError(code, message, { outcome: 'not-applied' });
}

function checkChange(
  members: readonly ConfigurationMember[],
  options: ChangeOptions,
  decreeBytesMax: number,
): Omit<MemberChange, 'request'> {
  checkOptions(options, ['cookie', 'force', 'ifNumber']);
  const { cookie, force, ifNumber } = options;
  if (cookie !== undefined && !(cookie instanceof Uint8Array))
    throw badArgument(`cookie: expected a Uint8Array, got ${typeof cookie}`);
  if (cookie !== undefined && cookie.length > CONFIGURATION_COOKIE_BYTES_MAX)
    throw badArgument(`cookie: ${cookie.length} bytes, the bound is ${CONFIGURATION_COOKIE_BYTES_MAX}`);
  if (force !== undefined && typeof force !== 'boolean') throw badArgument('force: expected true or false');
  if (ifNumber !== undefined && !(Number.isSafeInteger(ifNumber) && ifNumber >= 1))
    throw badArgument(`ifNumber: expected the number of a member set, got ${shown(ifNumber)}`);
  const checked = checkMembers(members);
  const encodedCookie = cookie === undefined ? '' : Buffer.from(cookie).toString('base64');
  const bytes = memberListBytes(checked);
  if (bytes + encodedCookie.length > decreeBytesMax)
    throw badArgument(
      `cookie: with the members ${bytes + encodedCookie.length} bytes, limits.decreeBytesMax is ${decreeBytesMax}`,
    );
  return {
    members: checked,
    cookie: encodedCookie,
    force: force === true,
    ifNumber: ifNumber ?? 0,
  };
}

/** What is neither text nor a number may not even become text. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, 100);
  return typeof value === 'number' || value === null ? String(value) : typeof value;
}

/** With their addresses in one form. Throws `ERR_SYNOD_ARGUMENT`. */
export function checkMembers(members: readonly ConfigurationMember[]): ConfigurationMember[] {
  if (!Array.isArray(members) || members.length < 1 || members.length > MEMBERS_MAX)
    throw badArgument(`members: expected a list of 1 to ${MEMBERS_MAX}`);
  const checked = members.map((member: Partial<ConfigurationMember> | null, index) => {
    const { id, address } = member ?? {};
    if (!isMemberId(id)) throw badArgument(`members[${index}].id: ${shown(id)}`);
    const parsed = typeof address === 'string' ? parseAddress(address) : null;
    if (parsed === null || parsed.port === 0)
      throw badArgument(`members[${index}].address: expected host:port, got ${shown(address)}`);
    return { id, address: formatAddress(parsed) };
  });
  for (const name of ['id', 'address'] as const)
    if (new Set(checked.map((member) => member[name])).size < checked.length)
      throw badArgument(`members: each needs an ${name} of its own`);
  const tooLong = memberListBytes(checked) - CONFIGURATION_BYTES_MAX;
  // A longer one could be in no checkpoint, and whoever had to make one would be fenced.
  if (tooLong > 0) throw badArgument(`members: ids and addresses are ${tooLong} bytes too long`);
  return checked;
}
