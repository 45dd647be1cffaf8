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
import { checkKnown, checkSame, chosenBy } from './agreement.js';
import { Interner, Sequences } from './interner.js';
import type { Faults, Surroundings } from './node.js';
import { NodeChecks } from './node-checks.js';
import type { Code, NodeFacts } from './node-table.js';
import {
  crashCode,
  deliverCode,
  durableCode,
  NodeTable,
  proposeCode,
  SILENCE,
  TIMEOUT,
  WIPE,
} from './node-table.js';
import type { Scope } from './scope.js';
import { tell } from './trace.js';

const SIZE = 3;
const IDS = ['a', 'b', 'c'];
const BUDGET = SIZE * SIZE;
export const WIDTH: number = BUDGET + 1;

/** Told of everything that may happen: an input of `node`, or, where `code` is -1 - peer, that its link to the peer breaks. */
export type Visitor = (node: number, code: Code, violation: Violation | null) => void;

export interface ClusterOptions {
  readonly faults?: Faults;
  /** See `Surroundings.checks`. */
  readonly agreementOnly?: boolean;
  /** See `NodeTable`. */
  readonly audit?: boolean;
}

/** Budgets in one word, at these bits: proposals made, then what is left of the others. */
const PROPOSED = 0;
const TIMEOUTS = 3;
const SILENCES = 12;
const BREAKS = 21;
const CRASHES = 24;
const WIPES = 27;
const BITS = 3;
export const BUDGET_MAX: number = 2 ** BITS - 1;
const budgetOf = (word: number, at: number): number => (word >>> at) & BUDGET_MAX;

/** Word of the queue from one replica to another. */
function queueAt(from: number, to: number): number {
  return SIZE + from * (SIZE - 1) + (to < from ? to : to - 1);
}

/** Different sets of acceptances, and lists of chosen decrees, that there may be: far more than scopes have. */
const VOTES_MAX = 2 ** 17;
const KNOWN_MAX = 2 ** 11;

/** Where a queue is marked: the first `down`, and whether there is any mark. */
interface Marks {
  readonly down: number;
  readonly any: boolean;
}

export class Cluster {
  readonly table: NodeTable;
  readonly sequences: Sequences = new Sequences();
  readonly initial: Uint32Array;
  /** The state after the step that is being visited. */
  readonly next: Uint32Array = new Uint32Array(WIDTH);
  /** The most slots that were seen to be chosen at once. */
  slotsChosen = 0;

  readonly #scope: Scope;
  readonly #agreementOnly: boolean;
  /** While a scope begins, everything arrives as it was sent. */
  #isOrdered = true;
  readonly #genesis = genesisConfiguration(
    IDS.map((id, index) => ({ id, incarnation: incarnation(index, 1) })),
  );
  readonly #configurations: Surroundings['configurations'] = new Map();
  readonly #down: number;
  readonly #marks: Marks[] = [];
  readonly #chosen: Interner<Chosen> = new Interner();
  readonly #chosenBy: Map<number, number | Violation> = new Map();
  readonly #judged: Map<number, Violation | null> = new Map();

  constructor(scope: Scope, options: ClusterOptions = {}) {
    this.#scope = scope;
    this.#agreementOnly = options.agreementOnly ?? false;
    const faults = options.faults ?? {};
    const around: Surroundings = {
      protocol: protocolOptions(scope),
      ids: IDS,
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
    const budget = words[BUDGET]!;
    const scope = this.#scope;
    for (let node = 0; node < SIZE; node += 1) {
      const { role, canPropose, pending, hasUnmarked } = this.facts(words, node);
      const crashes = budgetOf(budget, CRASHES) > 0 && scope.mayCrash.includes(node);
      const take = (code: Code, cost: number): void => {
        const violation = this.#take(words, node, code, cost);
        if (violation !== undefined) visit(node, code, violation);
      };
      const timeouts = TIMEOUTS + BITS * node;
      if (budgetOf(budget, timeouts) > 0) take(TIMEOUT, -1 << timeouts);
      const silences = SILENCES + BITS * node;
      if (role === 'secondary' && budgetOf(budget, silences) > 0) take(SILENCE, -1 << silences);
      if (canPropose && budgetOf(budget, PROPOSED) < scope.proposals)
        take(proposeCode(budgetOf(budget, PROPOSED) + 1), 1 << PROPOSED);
      for (let records = 1; records <= pending; records += 1) take(durableCode(records), 0);
      for (let kept = 0; crashes && kept <= pending; kept += 1) {
        take(crashCode(kept, false), -1 << CRASHES);
        if (kept === pending && hasUnmarked) take(crashCode(kept, true), -1 << CRASHES);
      }
      if (budgetOf(budget, WIPES) > 0 && scope.mayLose?.includes(node)) take(WIPE, -1 << WIPES);
      for (let peer = 0; peer < SIZE; peer += 1) if (peer !== node) this.#deliver(words, peer, node, visit);
    }
    if (budgetOf(budget, BREAKS) === 0) return;
    for (let node = 0; node < SIZE; node += 1) {
      for (let peer = node + 1; peer < SIZE; peer += 1) {
        if (this.#marksOf(words[queueAt(node, peer)]!).any || this.#marksOf(words[queueAt(peer, node)]!).any)
          continue;
        this.next.set(words);
        this.next[BUDGET] = budget - (1 << BREAKS);
        this.#break(node, peer);
        this.#break(peer, node);
        visit(node, -1 - peer, null);
      }
    }
  }

  // What happens.

  #deliver(words: Uint32Array, peer: number, node: number, visit: Visitor): void {
    const at = queueAt(peer, node);
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
    next[BUDGET] = words[BUDGET]! + cost;
    if (queue !== -1) next[queue] = left;
    if (sent.length === 0) this.#restart(node);
    else {
      for (let peer = 0; peer < SIZE; peer += 1) {
        const items = sent[peer]!;
        if (items === 0) continue;
        const at = queueAt(node, peer);
        if (!this.#isOrdered) next[at] = this.sequences.unite(next[at]!, items);
        else if (!this.#marksOf(next[queueAt(peer, node)]!).any)
          next[at] = this.sequences.join(next[at]!, items);
      }
    }
    if (after === before) return null;
    const from = this.table.facts(before);
    const to = this.table.facts(after);
    if (from.votes === to.votes && from.known === to.known) return null;
    return this.#judge(next);
  }

  /** A replica has gone and come back: its links broke with it. */
  #restart(node: number): void {
    if (!this.#isOrdered) return;
    for (let peer = 0; peer < SIZE; peer += 1) {
      if (peer === node) continue;
      this.next[queueAt(peer, node)] = this.sequences.of([this.#up(peer)]);
      this.#break(node, peer);
    }
  }

  /** Marks what is under way from `node` to `peer`. */
  #break(node: number, peer: number): void {
    const at = queueAt(node, peer);
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
    const [a, b, c] = [this.facts(words, 0), this.facts(words, 1), this.facts(words, 2)];
    const found = this.#agreementOnly ? 0 : this.#chosenOf(words);
    if (found instanceof Violation) return found;
    const key = ((found * KNOWN_MAX + a.known) * KNOWN_MAX + b.known) * KNOWN_MAX + c.known;
    const judged = this.#judged.get(key);
    if (judged !== undefined) return judged;
    const knowns = [a, b, c].map(({ known }) => this.table.known.value(known));
    const violation = violationOf(() => {
      if (!this.#agreementOnly) for (const known of knowns) checkKnown(known, this.#chosen.value(found));
      for (const one of knowns) for (const other of knowns) checkSame(one, other);
    });
    this.#judged.set(key, violation);
    return violation;
  }

  #chosenOf(words: Uint32Array): number | Violation {
    const ids = [0, 1, 2].map((node) => this.facts(words, node).votes);
    const key = (ids[0]! * VOTES_MAX + ids[1]!) * VOTES_MAX + ids[2]!;
    let found = this.#chosenBy.get(key);
    if (found === undefined) {
      const votes = ids.flatMap((id) => this.table.votes.value(id));
      let chosen: Chosen = [];
      const violation = violationOf(() => {
        chosen = chosenBy(votes, this.#genesis, this.#configurations);
      });
      found = violation ?? this.#chosen.intern(JSON.stringify(chosen), () => chosen);
      this.slotsChosen = Math.max(this.slotsChosen, chosen.filter((value) => value !== null).length);
      if (
        this.table.votes.size > VOTES_MAX ||
        this.table.known.size > KNOWN_MAX ||
        this.#chosen.size > KNOWN_MAX * 512
      )
        throw new RangeError('the scope is too large for the keys of what is chosen');
      this.#chosenBy.set(key, found);
    }
    return found;
  }

  // The beginning.

  #begin(): Uint32Array {
    const scope = this.#scope;
    const words = new Uint32Array(WIDTH);
    const genesis = { record: { kind: 'genesis', configuration: this.#genesis }, chosen: 0 } as const;
    for (let index = 0; index < SIZE; index += 1) {
      words[index] = this.table.start({ index, life: 1, records: [genesis], proposals: [], formerVotes: [] });
    }
    if (scope.network === 'ordered') {
      this.next.set(words);
      for (let node = 0; node < SIZE; node += 1) {
        for (let peer = 0; peer < SIZE; peer += 1) {
          if (peer !== node) words[queueAt(peer, node)] = this.sequences.of([this.#up(peer)]);
        }
      }
    }
    // Room for what it takes to come this far; then the budget of the scope.
    words[BUDGET] = 1 << TIMEOUTS;
    this.#settle(words);
    if (scope.beginning === 'led') {
      this.#force(words, (node, code) => node === 0 && code === TIMEOUT);
      this.#settle(words);
    }
    this.#isOrdered = scope.network === 'ordered';
    let budget = scope.breaks << BREAKS;
    budget |= scope.crashes << CRASHES;
    budget |= (scope.wipes ?? 0) << WIPES;
    for (let node = 0; node < SIZE; node += 1) {
      budget |= scope.timeouts[node]! << (TIMEOUTS + BITS * node);
      budget |= (scope.silences?.[node] ?? 0) << (SILENCES + BITS * node);
    }
    words[BUDGET] = budget;
    if (scope.isWiped) {
      words[BUDGET] = budget + (1 << WIPES);
      const violation = this.#take(words, SIZE - 1, WIPE, -1 << WIPES);
      if (violation === undefined || violation !== null) throw new Error('the scope cannot begin');
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
      throw new Error(`the scope cannot begin with "${text}", but with:\n${possible.join('\n')}`);
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
    pipelineDecreesMax: Math.max(1, scope.proposals),
    pipelineBytesMax: 1000,
    fetchBytesMax: 1000,
  };
}
