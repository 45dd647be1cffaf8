/** Faults of the network: who cannot hear whom, and how badly what is heard arrives. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../cluster/support/random.js';
import type { TortureCluster } from '../cluster.js';
import type { LinkTrouble } from '../network/network.js';
import { drawLogarithmic, type Fault, type FaultKind, shuffled } from './fault.js';

type Pair = readonly [from: string, to: string];

const noObstacle = (): null => null;

const idsOf = (cluster: TortureCluster): string[] => cluster.replicas.map(({ id }) => id);

function partition(cluster: TortureCluster, kind: string, text: string, pairs: readonly Pair[]): Fault {
  return {
    kind,
    text: `${kind} ${text}`,
    async inject() {
      for (const [from, to] of pairs) cluster.network.block(from, to);
    },
    async heal() {
      for (const [from, to] of pairs) cluster.network.unblock(from, to);
    },
  };
}

/** Both directions between every one of these and every one of those. */
function between(these: readonly string[], those: readonly string[]): Pair[] {
  return these.flatMap((one) =>
    those.flatMap((other): Pair[] => [
      [one, other],
      [other, one],
    ]),
  );
}

function without(ids: readonly string[], some: readonly string[]): string[] {
  return ids.filter((id) => !some.includes(id));
}

/** One that nobody hears and that hears nobody; every other time it is the primary. */
const isolate: FaultKind = {
  kind: 'isolate',
  weight: 4,
  holdMs: [300, 8000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const id = random.pick(idsOf(cluster));
    const primary = random.below(2) === 0 ? await cluster.primary() : null;
    const alone = primary?.id ?? id;
    return partition(cluster, 'isolate', alone, between([alone], without(idsOf(cluster), [alone])));
  },
};

/** Two sides, of any size. */
const split: FaultKind = {
  kind: 'split',
  weight: 3,
  holdMs: [300, 8000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = shuffled(idsOf(cluster), random);
    const side = ids.slice(0, 1 + random.below(ids.length - 1));
    const other = without(ids, side);
    return partition(cluster, 'split', `${side.join('')}|${other.join('')}`, between(side, other));
  },
};

/** Everybody alone. */
const shatter: FaultKind = {
  kind: 'shatter',
  weight: 1,
  holdMs: [300, 4000],
  obstacle: noObstacle,
  async draw(cluster) {
    const ids = idsOf(cluster);
    const pairs = ids.flatMap((from) => without(ids, [from]).map((to): Pair => [from, to]));
    return partition(cluster, 'shatter', ids.join('|'), pairs);
  },
};

/** Some pairs do not hear each other in one direction, or in both. */
const partial: FaultKind = {
  kind: 'partial',
  weight: 3,
  holdMs: [300, 8000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = idsOf(cluster);
    const all = ids.flatMap((from) => without(ids, [from]).map((to): Pair => [from, to]));
    const pairs = shuffled(all, random).slice(0, 1 + random.below(all.length - 1));
    return partition(cluster, 'partial', pairs.map((pair) => pair.join('>')).join(' '), pairs);
  },
};

/** One that is heard by nobody and hears all, or the other way round. */
const oneWay: FaultKind = {
  kind: 'one-way',
  weight: 3,
  holdMs: [300, 8000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = idsOf(cluster);
    const drawn = random.pick(ids);
    const primary = random.below(2) === 0 ? await cluster.primary() : null;
    const id = primary?.id ?? drawn;
    const mute = random.below(2) === 0;
    const pairs = without(ids, [id]).map((other): Pair => (mute ? [id, other] : [other, id]));
    return partition(cluster, 'one-way', `${id} is ${mute ? 'mute' : 'deaf'}`, pairs);
  },
};

/** Each hears its neighbours in a row only. */
const chain: FaultKind = {
  kind: 'chain',
  weight: 2,
  holdMs: [300, 8000],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = shuffled(idsOf(cluster), random);
    const pairs = ids.flatMap((one, index) => between([one], ids.slice(index + 2)));
    return partition(cluster, 'chain', ids.join('-'), pairs);
  },
};

/** A partition that comes and goes faster than elections end. */
const flap: FaultKind = {
  kind: 'flap',
  weight: 2,
  holdMs: [0, 300],
  obstacle: noObstacle,
  async draw(cluster, random) {
    const ids = shuffled(idsOf(cluster), random);
    const side = ids.slice(0, 1 + random.below(ids.length - 1));
    const waits = Array.from({ length: 6 + random.below(10) }, () => drawLogarithmic(30, 1200, random));
    const fault = partition(
      cluster,
      'flap',
      `${side.join('')}, ${waits.length} times`,
      between(side, without(ids, side)),
    );
    return {
      ...fault,
      async inject() {
        for (const wait of waits) {
          await fault.inject();
          await delay(wait);
          await fault.heal();
          await delay(wait / 2);
        }
      },
      heal: async () => {},
    };
  },
};

function troubled(
  kind: LinkTrouble,
  weight: number,
  holdMs: readonly [number, number],
  amount: (random: Random) => number,
): FaultKind {
  return {
    kind,
    weight,
    holdMs,
    obstacle: ({ network }) =>
      network.troubles.includes(kind) ? null : `a ${network.kind} network cannot do it`,
    async draw(cluster, random) {
      const { network } = cluster;
      const ids = idsOf(cluster);
      const from = random.pick(ids);
      const to = random.below(2) === 0 ? null : random.pick(without(ids, [from]));
      const size = amount(random);
      return {
        kind,
        text: `${kind} ${from}${to === null ? '' : `>${to}`} ${size.toFixed(2)}`,
        async inject() {
          if (kind === 'flip') for (const replica of cluster.replicas) replica.excused.add('garbage');
          network.trouble(kind, from, to, size);
        },
        async heal() {
          network.calm(kind, from, to);
        },
      };
    },
  };
}

const fraction = (random: Random): number => random.next();

export const networkFaults: readonly FaultKind[] = [
  isolate,
  split,
  shatter,
  partial,
  oneWay,
  chain,
  flap,
  troubled('delay', 2, [500, 8000], (random) => drawLogarithmic(2, 400, random)),
  troubled('flip', 3, [50, 1000], fraction),
  troubled('reset', 3, [50, 1000], fraction),
  troubled('interface-down', 3, [100, 6000], fraction),
  troubled('slow', 2, [1000, 6000], (random) => drawLogarithmic(50, 2000, random)),
];
