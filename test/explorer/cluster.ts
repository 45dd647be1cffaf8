/**
 * The cluster as a tuple of numbers, and everything that may happen to it next. The words of a state:
 *
 *     the state of each replica with its disk | what is under way from each to each | what is left of the scope's budget
 *
 * A link that broke is a pair of marks in the queues both ways: `down`, then `up`. What stands before `down` may still be
 * delivered; whoever notices that the link is down loses the rest. An end that has not passed its marks has no link:
 * what it sends is lost. So a link may break at any point of its stream, and each end notices when it does, or never.
 */

import { genesisConfiguration } from '../../src/protocol/configuration.js';
import type { ProtocolOptions } from '../../src/protocol/context.js';
import { Violation } from '../properties/checker.js';
import type { Chosen } from './agreement.js';
import { checkKnown, checkRefused, checkSame, chosenBy } from './agreement.js';
import * as budget from './budget.js';
import { budgetOf, oneLess, oneMore } from './budget.js';
import { Interner, Sequences, Tuples } from './interner.js';
import type { Faults, Surroundings } from './node.js';
import { NodeChecks } from './node-checks.js';
import type { Code, NodeFacts } from './node-table.js';
import {
  changeCode,
  crashCode,
  deliverCode,
  durableCode,
  NodeTable,
  PROMOTE,
  proposeCode,
  RELINQUISH,
  readCode,
  SILENCE,
  TIMEOUT,
  WIPE,
} from './node-table.js';
import type { Scope } from './scope.js';
import { tell } from './trace.js';

const IDS = ['a', 'b', 'c', 'd'];
/** Of these, the first configuration. */
const FOUNDERS = 3;

/** Told of everything that may happen: an input of `node`, or, where `code` is -1 - peer, that its link to the peer breaks. */
export type Visitor = (node: number, code: Code, violation: Violation | null) => void;

export interface ClusterOptions {
  readonly faults?: Faults;
  /** See `Surroundings.checks`. */
  readonly agreementOnly?: boolean;
  /** See `NodeTable`. */
  readonly audit?: boolean;
}

/** A scope does not lead where it says that it begins. */
export class OpeningError extends Error {
  constructor(scope: Scope, detail: string) {
    super(`scope ${scope.name} cannot begin ${detail}`);
    this.name = 'OpeningError';
  }
}

/** Where a queue is marked: the first `down`, and whether there is any mark. */
interface Marks {
  readonly down: number;
  readonly any: boolean;
}

export class Cluster {
  readonly table: NodeTable;
  readonly sequences: Sequences = new Sequences();
  /** Words of a state. */
  readonly width: number;
  readonly initial: Uint32Array;
  /** The state after the step that is being visited. */
  readonly next: Uint32Array;
  /** The most slots that were seen to be chosen at once. */
  slotsChosen = 0;

  readonly #scope: Scope;
  readonly #size: number;
  /** Where the word is that `budget.ts` tells of. */
  readonly #budgetAt: number;
  readonly #agreementOnly: boolean;
  /** While a scope begins, everything arrives as it was sent. */
  #isOrdered = true;
  readonly #genesis = genesisConfiguration(
    IDS.slice(0, FOUNDERS).map((id, index) => ({ id, incarnation: incarnation(index, 1) })),
  );
  readonly #configurations: Surroundings['configurations'] = new Map();
  readonly #down: number;
  readonly #marks: Marks[] = [];
  readonly #chosen: Interner<Chosen> = new Interner();
  readonly #votes: Tuples = new Tuples();
  readonly #chosenBy: Map<number, number | Violation> = new Map();
  readonly #views: Tuples = new Tuples();
  readonly #judged: Map<number, Violation | null> = new Map();

  constructor(scope: Scope, options: ClusterOptions = {}) {
    this.#scope = scope;
    this.#size = scope.replicas ?? FOUNDERS;
    this.#budgetAt = this.#size * this.#size;
    this.width = this.#budgetAt + 1;
    this.next = new Uint32Array(this.width);
    this.#agreementOnly = options.agreementOnly ?? false;
    const faults = options.faults ?? {};
    const around: Surroundings = {
      protocol: protocolOptions(scope),
      ids: IDS.slice(0, this.#size),
      changes: scope.changes ?? [],
      incarnation: (index, life) => incarnation(index, faults.keepIncarnation ? 1 : life),
      faults,
      alwaysLinked: scope.network === 'unordered',
      configurations: this.#configurations,
      checks: this.#agreementOnly ? null : new NodeChecks(),
    };
    this.table = new NodeTable(around, this.sequences, options.audit ?? false);
    this.#down = this.table.item({ kind: 'down' });
    this.initial = this.#begin();
  }

  facts(words: Uint32Array, index: number): NodeFacts {
    return this.table.facts(words[index]!);
  }

  /** Calls `visit` for everything that may happen in the state; `next` is the state after it, unless it is violated. */
  visit(words: Uint32Array, visit: Visitor): void {
    const left = words[this.#budgetAt]!;
    const may = (at: number): boolean => budgetOf(left, at) > 0;
    const scope = this.#scope;
    for (let node = 0; node < this.#size; node += 1) {
      const { role, canPropose, pending, hasUnmarked } = this.facts(words, node);
      const leads = role === 'primary' || role === 'preparing';
      const crashes = may(budget.CRASHES) && scope.mayCrash.includes(node);
      const take = (code: Code, cost: number): void => {
        const violation = this.#take(words, node, code, cost);
        if (violation !== undefined) visit(node, code, violation);
      };
      const timeouts = budget.timeoutsOf(node);
      if (may(timeouts)) take(TIMEOUT, oneLess(timeouts));
      const silences = budget.silencesOf(node);
      if (role === 'secondary' && may(silences)) take(SILENCE, oneLess(silences));
      const proposed = budgetOf(left, budget.PROPOSED);
      if (canPropose && proposed < scope.proposals) take(proposeCode(proposed + 1), oneMore(budget.PROPOSED));
      const changed = budgetOf(left, budget.CHANGED);
      if (leads && changed < (scope.changes?.length ?? 0)) take(changeCode(changed), oneMore(budget.CHANGED));
      if (role === 'secondary' && may(budget.PROMOTIONS)) take(PROMOTE, oneLess(budget.PROMOTIONS));
      if (role === 'primary' && may(budget.RELINQUISHES)) take(RELINQUISH, oneLess(budget.RELINQUISHES));
      if (role !== 'learner' && may(budget.READS))
        take(readCode(this.#knownBy(words)), oneLess(budget.READS));
      for (let records = 1; records <= pending; records += 1) take(durableCode(records), 0);
      for (let kept = 0; crashes && kept <= pending; kept += 1) {
        take(crashCode(kept, false), oneLess(budget.CRASHES));
        if (kept === pending && hasUnmarked) take(crashCode(kept, true), oneLess(budget.CRASHES));
      }
      if (may(budget.WIPES) && scope.mayLose?.includes(node)) take(WIPE, oneLess(budget.WIPES));
      for (let peer = 0; peer < this.#size; peer += 1)
        if (peer !== node) this.#deliver(words, peer, node, visit);
    }
    if (may(budget.BREAKS)) this.#breakEach(words, visit);
  }

  #breakEach(words: Uint32Array, visit: Visitor): void {
    for (let node = 0; node < this.#size; node += 1) {
      for (let peer = node + 1; peer < this.#size; peer += 1) {
        const ways = [this.#queueAt(node, peer), this.#queueAt(peer, node)];
        if (ways.some((way) => this.#marksOf(words[way]!).any)) continue;
        this.next.set(words);
        this.next[this.#budgetAt] = words[this.#budgetAt]! + oneLess(budget.BREAKS);
        this.#break(node, peer);
        this.#break(peer, node);
        visit(node, -1 - peer, null);
      }
    }
  }

  /** Word of the queue from one replica to another. */
  #queueAt(from: number, to: number): number {
    return this.#size + from * (this.#size - 1) + (to < from ? to : to - 1);
  }

  /** The last slot that anybody holds for chosen: what a read that is made now must see. */
  #knownBy(words: Uint32Array): number {
    let known = 0;
    for (let node = 0; node < this.#size; node += 1)
      known = Math.max(known, this.table.known.value(this.facts(words, node).known).length);
    return known;
  }

  // What happens.

  #deliver(words: Uint32Array, peer: number, node: number, visit: Visitor): void {
    const at = this.#queueAt(peer, node);
    const queue = words[at]!;
    if (queue === 0) return;
    const items = this.sequences.items(queue);
    const take = (item: number, left: number): void => {
      const code = deliverCode(peer, items[item]!);
      const violation = this.#take(words, node, code, 0, at, left);
      if (violation !== undefined) visit(node, code, violation);
    };
    if (!this.#isOrdered) {
      // It stays under way: it may come again. What is never delivered is lost.
      for (let item = 0; item < items.length; item += 1) take(item, queue);
      return;
    }
    take(0, this.sequences.drop(queue, 1));
    const { down } = this.#marksOf(queue);
    if (down > 0) take(down, this.sequences.drop(queue, down + 1));
  }

  /** Makes `next`. Undefined where the input changes nothing. */
  #take(
    words: Uint32Array,
    node: number,
    code: Code,
    cost: number,
    queue = -1,
    left = 0,
  ): Violation | null | undefined {
    const before = words[node]!;
    const { next: after, sent, violation } = this.table.outcome(before, code);
    // To those who see only disagreement, a replica that breaks a contract has just stopped.
    if (violation !== null) return this.#agreementOnly && isContract(violation) ? undefined : violation;
    const { next } = this;
    next.set(words);
    next[node] = after;
    next[this.#budgetAt] = words[this.#budgetAt]! + cost;
    if (queue !== -1) next[queue] = left;
    if (sent.length === 0) this.#restart(node);
    else {
      for (let peer = 0; peer < this.#size; peer += 1) {
        const items = sent[peer]!;
        if (items === 0) continue;
        const at = this.#queueAt(node, peer);
        if (!this.#isOrdered) next[at] = this.sequences.unite(next[at]!, items);
        else if (!this.#marksOf(next[this.#queueAt(peer, node)]!).any)
          next[at] = this.sequences.join(next[at]!, items);
      }
    }
    if (after === before) return null;
    const from = this.table.facts(before);
    const to = this.table.facts(after);
    if (from.votes === to.votes && from.known === to.known && from.refused === to.refused) return null;
    return this.#judge(next);
  }

  /** A replica has gone and come back: its links broke with it. */
  #restart(node: number): void {
    if (!this.#isOrdered) return;
    for (let peer = 0; peer < this.#size; peer += 1) {
      if (peer === node) continue;
      this.next[this.#queueAt(peer, node)] = this.sequences.of([this.#up(peer)]);
      this.#break(node, peer);
    }
  }

  /** Marks what is under way from `node` to `peer`. */
  #break(node: number, peer: number): void {
    const at = this.#queueAt(node, peer);
    this.next[at] = this.sequences.join(this.next[at]!, this.sequences.of([this.#down, this.#up(node)]));
  }

  #up(node: number): number {
    const { life, hasGenesis } = this.facts(this.next, node);
    return this.table.item({ kind: 'up', life, hasGenesis });
  }

  #marksOf(queue: number): Marks {
    let marks = this.#marks[queue];
    if (marks === undefined) {
      const items = this.sequences.items(queue).map((item) => this.table.items.value(item).kind);
      marks = { down: items.indexOf('down'), any: items.some((kind) => kind !== 'message') };
      this.#marks[queue] = marks;
    }
    return marks;
  }

  // Agreement.

  #judge(words: Uint32Array): Violation | null {
    const facts = [...words.subarray(0, this.#size)].map((id) => this.table.facts(id));
    const found = this.#agreementOnly ? 0 : this.#chosenOf(facts.map(({ votes }) => votes));
    if (found instanceof Violation) return found;
    const views = facts.flatMap(({ known, refused }) => [known, refused]);
    const key = this.#views.of([found, ...views]);
    const judged = this.#judged.get(key);
    if (judged !== undefined) return judged;
    const knowns = facts.map(({ known }) => this.table.known.value(known));
    const violation = violationOf(() => {
      if (!this.#agreementOnly) {
        for (const known of knowns) checkKnown(known, this.#chosen.value(found));
        for (const { refused } of facts)
          checkRefused(this.table.refused.value(refused), this.#chosen.value(found));
      }
      for (const one of knowns) for (const other of knowns) checkSame(one, other);
    });
    this.#judged.set(key, violation);
    return violation;
  }

  #chosenOf(ids: readonly number[]): number | Violation {
    const key = this.#votes.of(ids);
    let found = this.#chosenBy.get(key);
    if (found === undefined) {
      const votes = ids.flatMap((id) => this.table.votes.value(id));
      let chosen: Chosen = [];
      const violation = violationOf(() => {
        chosen = chosenBy(votes, this.#genesis, this.#configurations);
      });
      found = violation ?? this.#chosen.intern(JSON.stringify(chosen), () => chosen);
      this.slotsChosen = Math.max(this.slotsChosen, chosen.filter((value) => value !== null).length);
      this.#chosenBy.set(key, found);
    }
    return found;
  }

  // The beginning.

  #begin(): Uint32Array {
    const scope = this.#scope;
    const words = new Uint32Array(this.width);
    const genesis = { record: { kind: 'genesis', configuration: this.#genesis }, chosen: 0 } as const;
    for (let index = 0; index < this.#size; index += 1) {
      words[index] = this.table.start({
        ...{ index, life: 1, records: [genesis] },
        ...{ proposals: [], formerVotes: [], refused: [] },
      });
    }
    if (scope.network === 'ordered') {
      this.next.set(words);
      for (let node = 0; node < this.#size; node += 1) {
        for (let peer = 0; peer < this.#size; peer += 1) {
          if (peer !== node) words[this.#queueAt(peer, node)] = this.sequences.of([this.#up(peer)]);
        }
      }
    }
    this.#settle(words);
    if (scope.beginning === 'led') this.#wait(words, 0);
    // Whoever is no member asks to become one.
    for (let spare = FOUNDERS; spare < this.#size; spare += 1) this.#wait(words, spare);
    this.#isOrdered = scope.network === 'ordered';
    words[this.#budgetAt] = budget.budgetOfScope(scope);
    if (scope.isWiped) {
      words[this.#budgetAt] = words[this.#budgetAt]! + oneMore(budget.WIPES);
      const violation = this.#take(words, FOUNDERS - 1, WIPE, oneLess(budget.WIPES));
      if (violation === undefined || violation !== null) throw new OpeningError(scope, 'with a lost disk');
      words.set(this.next);
    }
    for (const text of scope.opening ?? []) this.#open(words, text);
    return words;
  }

  #open(words: Uint32Array, text: string): void {
    const possible: string[] = [];
    const from = words.slice();
    this.visit(from, (node, code, violation) => {
      const [line] = tell(this, from, node, code);
      possible.push(line!);
      if (line !== text) return;
      if (violation !== null) throw violation;
      words.set(this.next);
    });
    if (!possible.includes(text))
      throw new OpeningError(this.#scope, `with "${text}", but with:\n${possible.join('\n')}`);
  }

  /** The replica loses patience once, and everything that comes of it is done. */
  #wait(words: Uint32Array, node: number): void {
    words[this.#budgetAt] = oneMore(budget.timeoutsOf(node));
    this.#force(words, (one, code) => one === node && code === TIMEOUT);
    this.#settle(words);
  }

  /** Delivers everything and makes everything durable, until nothing is under way. */
  #settle(words: Uint32Array): void {
    for (;;) {
      const before = words.join();
      this.#force(words, (_, code) => (code > 32 && code < 64) || code >= 128);
      if (words.join() === before) return;
    }
  }

  /** The first step that is wanted and changes something. */
  #force(words: Uint32Array, isWanted: (node: number, code: Code) => boolean): void {
    const from = words.slice();
    let done = false;
    this.visit(from, (node, code, violation) => {
      if (done || !isWanted(node, code) || this.next.join() === from.join()) return;
      if (violation !== null) throw violation;
      done = true;
      words.set(this.next);
    });
  }
}

function violationOf(check: () => void): Violation | null {
  try {
    check();
    return null;
  } catch (error) {
    if (error instanceof Violation) return error;
    throw error;
  }
}

/** Broken contracts carry their own message; properties that are checked here begin with their name. */
function isContract(violation: Violation): boolean {
  return violation.property !== 'one-value-per-slot';
}

function incarnation(index: number, life: number): string {
  return `${IDS[index]}${life}`.padStart(32, '0');
}

/** No chance is drawn, so every replica is as patient as the others: who loses patience first is a step of the exploration. */
function protocolOptions(scope: Scope): ProtocolOptions {
  const electionTimeoutMs = 1000;
  return {
    electionTimeoutMs,
    heartbeatMs: scope.repeats ? 1 : electionTimeoutMs * 1000,
    // Room behind a configuration too: only the rule itself keeps decrees from being proposed there.
    pipelineDecreesMax: Math.max(1, scope.proposals + (scope.changes?.length ?? 0)),
    pipelineBytesMax: 1000,
    fetchBytesMax: 1000,
  };
}
