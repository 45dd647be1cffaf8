/**
 * The states of single replicas, numbered, and what each input makes of them, computed once. A replica's state is decided by
 * the inputs since it was started, and there are far fewer such states than states of the cluster: so nearly every step of
 * the exploration is a look into a table. What is not there yet is found out by the real code: a new replica is started and
 * given the inputs that first led to the state.
 */

import { createHash } from 'node:crypto';
import { ContractViolation } from '../../src/contracts.js';
import type { Role } from '../../src/protocol/effects.js';
import type { Value } from '../properties/checker.js';
import { contentOf, Violation } from '../properties/checker.js';
import type { Sequences } from './interner.js';
import { Interner } from './interner.js';
import type { Boot, Item, NodeInput, Surroundings } from './node.js';
import { Node, withoutSource } from './node.js';

/** An input of one replica as a number. */
export type Code = number;

export const TIMEOUT: Code = 0;
export const SILENCE: Code = 1;
export const WIPE: Code = 2;
export const PROMOTE: Code = 3;
export const RELINQUISH: Code = 4;
/** Of the member sets of the scope. */
export const changeCode = (index: number): Code => 5 + index;
export const proposeCode = (value: number): Code => 8 + value;
/** A read that must see the slots up to `least`. */
export const readCode = (least: number): Code => 12 + least;
export const durableCode = (records: number): Code => 32 + records;
export const crashCode = (kept: number, isMarked: boolean): Code => 64 + 2 * kept + Number(isMarked);
export const deliverCode = (peer: number, item: number): Code => 128 + 4 * item + peer;

/** The input in words; with its item, where it is one that arrives. */
export function describeCode(
  code: Code,
  { items }: { readonly items: Interner<Item> },
): { readonly peer: number; readonly item: Item | null; readonly text: string } {
  if (code >= 128) return { peer: (code - 128) & 3, item: items.value((code - 128) >> 2), text: '' };
  return { peer: -1, item: null, text: describeOwn(code) };
}

function describeOwn(code: Code): string {
  if (code === TIMEOUT) return 'loses patience';
  if (code === SILENCE) return 'hears nothing for an election timeout, and cannot stand';
  if (code === WIPE) return 'loses its disk and starts with an empty one';
  if (code === PROMOTE) return 'is told to lead';
  if (code === RELINQUISH) return 'is told to hand over';
  if (code <= 8) return `is asked for change ${code - 4}`;
  if (code < 12) return `is given decree ${code - 8}`;
  if (code < 32) return `is asked for a read, which must see slot ${code - 12}`;
  if (code < 64) return `has ${code - 32} more on its disk`;
  const mark = (code & 1) === 1 ? ', and a mark of what is chosen' : '';
  return `crashes and starts again: ${(code - 64) >> 1} pending records were kept${mark}`;
}

/** What an input makes of a state. */
export interface Outcome {
  /** -1 where the replica stopped: something is violated. */
  readonly next: number;
  /** A sequence of items for each replica. */
  readonly sent: readonly number[];
  readonly violation: Violation | null;
}

/** What the rest of the world needs to know about a state. */
export interface NodeFacts {
  readonly index: number;
  readonly life: number;
  readonly role: Role;
  readonly canPropose: boolean;
  readonly pending: number;
  readonly hasUnmarked: boolean;
  readonly hasGenesis: boolean;
  /** Number of the set of durable acceptances, and of the list of decrees held for chosen. */
  readonly votes: number;
  readonly known: number;
  /** Number of the list of configurations that whoever asked was told are not chosen. */
  readonly refused: number;
}

interface Origin {
  /** Started with this, where there is no earlier state. */
  readonly boot: Boot | null;
  readonly before: number;
  readonly code: Code;
}

/** A replica must stop for a broken contract; and whatever else it throws is worse. */
function asViolation(error: unknown): Violation {
  if (error instanceof Violation) return error;
  if (error instanceof ContractViolation) return new Violation(error.contract, error.message);
  return new Violation('no-unexpected-error', String(error));
}

const LIVE_MAX = 2000;

export class NodeTable {
  readonly votes: Interner<readonly string[]> = new Interner();
  readonly known: Interner<readonly Value[]> = new Interner();
  readonly refused: Interner<readonly Value[]> = new Interner();
  readonly items: Interner<Item> = new Interner();
  /** How many outcomes were computed by running the protocol. */
  computed = 0;
  /** How many of them were computed again by another way to the same state, and compared. */
  audited = 0;

  readonly #around: Surroundings;
  readonly #sequences: Sequences;
  readonly #nodes: Interner<NodeFacts> = new Interner();
  readonly #origins: Origin[] = [];
  /** Another way to the state; for `audit`. */
  readonly #others: Map<number, Origin> = new Map();
  readonly #audit: boolean;
  /** By state, then by code. */
  readonly #outcomes: Map<Code, Outcome>[] = [];
  /** Running replicas that are in a state at present: they need no inputs again. */
  readonly #live: Map<number, Node> = new Map();

  /** With `audit`, every outcome is computed by two ways, where a state was reached by two, and compared. */
  constructor(around: Surroundings, sequences: Sequences, audit: boolean) {
    this.#around = around;
    this.#sequences = sequences;
    this.#audit = audit;
  }

  get size(): number {
    return this.#nodes.size;
  }

  facts(id: number): NodeFacts {
    return this.#nodes.value(id);
  }

  start(boot: Boot): number {
    return this.#intern(new Node(boot, this.#around), { boot, before: -1, code: 0 });
  }

  item(item: Item): number {
    return this.items.intern(JSON.stringify(item, withoutSource), () => item);
  }

  outcome(id: number, code: Code): Outcome {
    const outcomes = this.#outcomes[id]!;
    const known = outcomes.get(code);
    if (known !== undefined) return known;
    const outcome = this.#compute(id, code);
    outcomes.set(code, outcome);
    return outcome;
  }

  /** What the replica does, in words. */
  story(id: number, code: Code): { readonly did: readonly string[]; readonly sent: readonly Item[][] } {
    const node = this.#replay(this.#origins[id]!, id);
    node.story = [];
    if (code === WIPE || (code >= 64 && code < 128)) return { did: [], sent: [] };
    try {
      node.apply(this.#input(code));
    } catch (error) {
      return { did: [...node.story, String(error)], sent: node.sent };
    }
    return { did: node.story, sent: node.sent };
  }

  #compute(id: number, code: Code): Outcome {
    this.computed += 1;
    const live = this.#live.get(id);
    if (live !== undefined) this.#live.delete(id);
    const outcome = this.#run(live ?? this.#replay(this.#origins[id]!, id), id, code);
    const other = this.#others.get(id);
    if (other !== undefined) {
      this.audited += 1;
      const again = this.#run(this.#replay(other, id), id, code);
      if (again.next !== outcome.next || again.sent.join() !== outcome.sent.join()) {
        throw new Error(`snapshot() leaves something out: state ${id} does one thing or another at ${code}`);
      }
    }
    return outcome;
  }

  #run(node: Node, id: number, code: Code): Outcome {
    try {
      const boot = this.#rebooted(node, code);
      if (boot !== null) return { next: this.start(boot), sent: [], violation: null };
      node.apply(this.#input(code));
      const sent = node.sent.map((items) => this.#sequences.of(items.map((item) => this.item(item))));
      return { next: this.#intern(node, { boot: null, before: id, code }), sent, violation: null };
    } catch (error) {
      return { next: -1, sent: [], violation: asViolation(error) };
    }
  }

  #rebooted(node: Node, code: Code): Boot | null {
    if (code === WIPE) return node.wipe();
    if (code < 64 || code >= 128) return null;
    return node.crash((code - 64) >> 1, (code & 1) === 1);
  }

  #input(code: Code): NodeInput {
    if (code === TIMEOUT) return { kind: 'timeout' };
    if (code === SILENCE) return { kind: 'silence' };
    if (code === PROMOTE) return { kind: 'promote' };
    if (code === RELINQUISH) return { kind: 'relinquish' };
    if (code <= 8) return { kind: 'change', index: code - 5 };
    if (code < 12) return { kind: 'propose', value: code - 8 };
    if (code < 32) return { kind: 'read', least: code - 12 };
    if (code < 64) return { kind: 'durable', records: code - 32 };
    return { kind: 'deliver', from: (code - 128) & 3, item: this.items.value((code - 128) >> 2) };
  }

  /** A replica in the state that `origin` is a way to. */
  #replay(origin: Origin, id: number): Node {
    const codes: Code[] = [];
    let at = origin;
    while (at.boot === null) {
      codes.push(at.code);
      at = this.#origins[at.before]!;
    }
    const node = new Node(at.boot, this.#around);
    for (const code of codes.reverse()) node.apply(this.#input(code));
    if (this.#audit && this.#number(node) !== id) throw new Error(`state ${id} was not reached again`);
    return node;
  }

  #intern(node: Node, origin: Origin): number {
    const before = this.#nodes.size;
    const id = this.#number(node);
    if (id === before) {
      this.#origins.push(origin);
      this.#outcomes.push(new Map());
    } else if (this.#audit && !this.#others.has(id)) this.#others.set(id, origin);
    if (!this.#live.has(id)) {
      this.#live.set(id, node);
      if (this.#live.size > LIVE_MAX) this.#live.delete(this.#live.keys().next().value!);
    }
    return id;
  }

  /** The texts are long and many: their SHA-256 stands for them. */
  #number(node: Node): number {
    const digest = createHash('sha256').update(`${node.index}${node.text()}`).digest('base64');
    return this.#nodes.intern(digest, () => {
      const votes = node.votes();
      const known = node.known().map(contentOf);
      return {
        index: node.index,
        life: node.life,
        role: node.core.role,
        canPropose: node.core.canPropose,
        pending: node.pending,
        hasUnmarked: node.hasUnmarked,
        hasGenesis: node.hasGenesis,
        votes: this.votes.intern(votes.join(), () => votes),
        known: this.known.intern(known.join(), () => known),
        refused: this.refused.intern(node.refused.join(), () => [...node.refused]),
      };
    });
  }
}
