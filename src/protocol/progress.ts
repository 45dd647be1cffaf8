/**
 * What is known to be chosen, and what follows from it: which configuration is in force, who this replica is in it, and what the others
 * need no longer keep in mind.
 */

import { invariant, requires } from '../contracts.js';
import type { Acceptor } from './acceptor.js';
import type { Ballot } from './ballot.js';
import type { Configuration } from './configuration.js';
import { givesNumbersOnce, keepsVersion, memberById, memberByNumber, versionOf } from './configuration.js';
import type { Context } from './context.js';
import type { DecreeReference, Slot } from './decree.js';
import type { Election } from './election.js';
import type { Learner } from './learner.js';
import type { Proposer } from './proposer.js';
import type { Reconfiguration } from './reconfiguration.js';
import type { RoleChanges } from './role-changes.js';

export interface ProgressParts {
  readonly context: Context;
  readonly acceptor: Acceptor;
  readonly proposer: Proposer;
  readonly learner: Learner;
  readonly election: Election;
  readonly reconfiguration: Reconfiguration;
  readonly roleChanges: RoleChanges;
}

export class Progress {
  readonly #context: Context;
  readonly #acceptor: Acceptor;
  readonly #proposer: Proposer;
  readonly #learner: Learner;
  readonly #election: Election;
  readonly #reconfiguration: Reconfiguration;
  readonly #roleChanges: RoleChanges;

  constructor(parts: ProgressParts) {
    this.#context = parts.context;
    this.#acceptor = parts.acceptor;
    this.#proposer = parts.proposer;
    this.#learner = parts.learner;
    this.#election = parts.election;
    this.#reconfiguration = parts.reconfiguration;
    this.#roleChanges = parts.roleChanges;
  }

  /** Every slot up to `through` is chosen, and accepted here as it was chosen. */
  choose(through: Slot): void {
    const context = this.#context;
    const from = context.chosen + 1;
    if (through < from) return;
    let last = through;
    let configuration: Configuration | null = null;
    for (let slot = from; slot <= last; slot += 1) {
      const decree: DecreeReference | undefined = this.#acceptor.accepted.get(slot)?.decree;
      invariant(decree !== undefined, 'chosen-is-in-the-log', () => `slot ${slot}`);
      if (decree.configuration !== null) {
        configuration = decree.configuration;
        // The next slot belongs to another configuration; whoever claimed it under the old one did not know that.
        last = slot;
      }
    }
    context.chosen = last;
    this.#reconfiguration.onChosen(last, this.#acceptor.accepted);
    this.#acceptor.settle(from, last);
    this.#proposer.settle(from, last);
    this.#learner.onProgress();
    if (last > this.#learner.known) this.#learner.known = last;
    context.effects.push({ kind: 'chosen', through: last });
    if (configuration !== null) this.#onConfigurationChosen(configuration);
  }

  /** Like learning every slot up to `slot`: whoever made the checkpoint had applied them. */
  install(slot: Slot, configuration: Configuration, promised: Ballot): void {
    const context = this.#context;
    this.#learner.onInstalled();
    const from = context.chosen + 1;
    if (slot < from) return;
    // Beyond what it proposed, another one was elected meanwhile. Up to there it found what is chosen among the promises, and it may have
    // asked for the checkpoint before it stood: it leads on.
    if (context.role === 'primary' && slot > this.#proposer.last) this.#roleChanges.becomeSecondary();
    const isNewer = configuration.number > (context.configuration?.number ?? 0);
    // Ahead of the record of the jump: a log that says which configuration is in force also says what is promised since (rule 7).
    if (isNewer) this.#acceptor.promiseAtLeast(promised);
    context.chosen = slot;
    // An acceptance that lost lies in the log like one that won: without this, both would be given to peers as chosen.
    context.append({ kind: 'jump', slot });
    this.#reconfiguration.onInstalled(slot, configuration);
    this.#acceptor.settle(from, slot);
    this.#proposer.settle(from, slot);
    this.#learner.onProgress();
    if (slot > this.#learner.known) this.#learner.known = slot;
    context.effects.push({ kind: 'chosen', through: slot });
    // Configurations in between were in force and are over: nothing is left to do under them. A primary prepares anew in any case: what the
    // checkpoint holds may have been chosen under a higher ballot, and who accepted something else here under this one must not be told so.
    this.#goOn(isNewer ? configuration : null);
  }

  #onConfigurationChosen(configuration: Configuration): void {
    const context = this.#context;
    const current = context.configuration!;
    invariant(configuration.number === current.number + 1, 'configurations-one-by-one');
    requires(givesNumbersOnce(current, configuration), 'member-numbers-given-once');
    requires(keepsVersion(current, configuration), 'version-never-lowered');
    if (context.role === 'primary') {
      // Its word still counts with the old members, perhaps for the last time. Newcomers hear that there is something to fetch.
      this.#proposer.announce();
      for (const peer of context.connected)
        if (!context.isMember(peer)) context.send(peer, { kind: 'defunct', chosen: context.chosen });
    }
    // Slots from here on need promises from a quorum of the new members (rule 7): nobody is primary under two configurations.
    this.#goOn(configuration);
  }

  /** Under `configuration`, where that is a new one; null where it is the same. Whoever leads prepares another ballot, if it still is a member. */
  #goOn(configuration: Configuration | null): void {
    const context = this.#context;
    const led = context.role === 'primary';
    if (configuration !== null) this.configure(configuration);
    if (led && context.self !== 0) this.#roleChanges.becomePreparing();
  }

  configure(configuration: Configuration): void {
    const context = this.#context;
    const { id, incarnation } = context.identity;
    const member = memberById(configuration, id);
    requires(versionOf(configuration) <= (context.options.versionMax ?? 1), 'speaks-the-version-in-force');
    context.configuration = configuration;
    this.#learner.onConfiguration();
    this.#reconfiguration.onConfiguration();
    const wasMember = context.self !== 0;
    if (wasMember) context.former = context.self;
    context.self = member !== undefined && member.incarnation === incarnation ? member.number : 0;
    if (context.self === 0) context.role = 'learner';
    else if (context.role === 'inactive' || context.role === 'learner') context.role = 'secondary';
    else if (context.role === 'candidate' || context.role === 'preparing') {
      context.role = 'secondary';
      // It stood under members that are no more. Of theirs it has heard no primary, and need not wait for another timeout's silence.
      this.#election.hasten();
    }
    // Whoever has just become a member hears the others out first.
    if (!wasMember) this.#election.restart();
    const { primary } = this.#election;
    if (primary !== 0 && memberByNumber(configuration, primary) === undefined) {
      this.#election.forgetPrimary();
      this.#election.hasten();
    }
    context.effects.push({ kind: 'configuration', configuration, self: context.self });
  }
}
