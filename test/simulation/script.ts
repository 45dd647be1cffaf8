/**
 * What a run is: settings, and a list of faults with their times, all drawn from the seed before anything happens. Small
 * chances (how long a message takes, what a client asks for) are drawn on the way. So a script can be made shorter and
 * played again.
 */

import type { CheckpointPolicy } from '../../src/application/checkpoint-schedule.js';
import { MEMBERS_MAX } from '../../src/limits.js';
import type { ProtocolVersions } from '../../src/wire/frame.js';
import { Random } from '../properties/random.js';
import type { DiskModel } from './disk.js';
import type { NetworkModel } from './network.js';
import type { ReadSettings } from './readers.js';
import { drawNarrowLog, drawTurnover } from './turnover.js';

export type Mode = 'recoverable' | 'unbounded';

export interface Settings {
  readonly mode: Mode;
  readonly replicas: number;
  /** Replicas beside the first members. Their places come behind those. */
  readonly spares?: number;
  /** No replica names any members: they are told by `bootstrap`. */
  readonly isBootstrapped?: boolean;
  readonly electionTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly limits: {
    readonly pipelineDecreesMax: number;
    readonly pipelineBytesMax: number;
    readonly decreeBytesMax: number;
    readonly decreeCommandsMax: number;
    readonly fetchBytesMax: number;
    readonly sendQueueBytesMax: number;
    readonly outstandingBytesMax: number;
  };
  /** Engine and application on one thread. */
  readonly isInline: boolean;
  readonly disk: DiskModel;
  readonly network: NetworkModel;
  readonly clients: number;
  /** Mean pause between two calls of one client. */
  readonly thinkMs: number;
  /** Calls that one client makes without waiting. */
  readonly burst: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly timeoutMs: number;
  /** Where replicas make checkpoints: when. */
  readonly checkpoints?: CheckpointPolicy;
  /** Where commands are given with flags: with what chance each. */
  readonly flags?: { readonly exclusive: number; readonly last: number };
  /** Where the application is asked who may lead: with what chance it says no, to candidacies of its own and to others. */
  readonly asks?: { readonly leadNo: number; readonly voteNo: number };
  /** Where there are leases: how far clocks may drift. */
  readonly clockDriftMax?: number;
  /** Where there are readers. */
  readonly reads?: ReadSettings;
  /** Where builds are mixed: the versions of the protocol that the first one of each replica speaks. */
  readonly versions?: readonly ProtocolVersions[];
  /** How long there are faults. */
  readonly troubleMs: number;
}

/** A replica by its place, or whoever is primary when it happens: -1; or any other than that: -2. */
export type Target = number;

export type Partition =
  | 'split'
  | 'isolate'
  | 'star'
  | 'chain'
  | 'ring'
  | 'quorum-loss'
  | 'one-way'
  | 'random';

export type Fault = { readonly at: number } & (
  | { readonly kind: 'crash'; readonly target: Target; readonly isPower: boolean; readonly downMs: number }
  /** At the `steps`-th step of persistence or sending from `at` on. */
  | {
      readonly kind: 'crash-at-step';
      readonly target: Target;
      readonly steps: number;
      readonly downMs: number;
    }
  | { readonly kind: 'crash-all'; readonly downMs: number }
  | { readonly kind: 'close'; readonly target: Target; readonly downMs: number }
  | { readonly kind: 'pause'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'block-application'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'wipe'; readonly target: Target; readonly downMs: number }
  | { readonly kind: 'set-back'; readonly target: Target; readonly downMs: number; readonly ageMs: number }
  | { readonly kind: 'cut'; readonly target: Target; readonly other: number; readonly forMs: number }
  | { readonly kind: 'cut-one-way'; readonly target: Target; readonly other: number; readonly forMs: number }
  | { readonly kind: 'reset'; readonly target: Target; readonly other: number }
  | {
      readonly kind: 'slow';
      readonly target: Target;
      readonly other: number;
      readonly byMs: number;
      readonly forMs: number;
    }
  | {
      readonly kind: 'partition';
      readonly shape: Partition;
      /** All replicas in some order: who is where in the shape. */
      readonly order: readonly number[];
      readonly around: Target;
      readonly forMs: number;
    }
  | {
      readonly kind: 'frame';
      readonly what: 'flip' | 'duplicate' | 'swap' | 'replay';
      /** To so many deliveries. */
      readonly times: number;
      readonly target: Target;
      readonly other: number;
    }
  /** The target is asked for other members: by the places in `order`, those that come first. */
  | {
      readonly kind: 'change';
      readonly target: Target;
      readonly how: 'add' | 'remove' | 'replace' | 'any';
      readonly order: readonly number[];
      readonly size: number;
      readonly force: boolean;
    }
  /** The target is asked to begin a cluster of itself and the places in `order` that come first. */
  | {
      readonly kind: 'bootstrap';
      readonly target: Target;
      readonly order: readonly number[];
      readonly size: number;
    }
  /** The target is asked for a copy of the checkpoint of `other`; -1: of anybody's. */
  | {
      readonly kind: 'copy';
      readonly target: Target;
      readonly other: number;
      readonly withinMs: number | null;
    }
  /** The target's build is exchanged for one that speaks these versions of the protocol. */
  | {
      readonly kind: 'exchange-build';
      readonly target: Target;
      readonly min: number;
      readonly max: number;
      readonly downMs: number;
    }
  /** The target is asked to raise the version; 0: as far as it can. */
  | { readonly kind: 'raise'; readonly target: Target; readonly version: number }
  | { readonly kind: 'step-clock'; readonly target: Target; readonly byMs: number }
  | { readonly kind: 'jump-clock'; readonly target: Target; readonly byMs: number }
  | { readonly kind: 'drift-clock'; readonly target: Target; readonly rate: number }
  | { readonly kind: 'stall-disk'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'fill-disk'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'fail-disk'; readonly target: Target }
  | { readonly kind: 'promote'; readonly target: Target; readonly evenIfBehind: boolean }
  /** To `other`; -1: to whoever is fit. */
  | { readonly kind: 'relinquish'; readonly target: Target; readonly other: number }
  | { readonly kind: 'priority'; readonly target: Target; readonly priority: number }
  | { readonly kind: 'withhold-votes'; readonly target: Target; readonly forMs: number }
  | { readonly kind: 'flip-durable'; readonly target: Target; readonly downMs: number }
  | {
      readonly kind: 'bad-write';
      readonly target: Target;
      readonly what: 'lost' | 'stale-piece' | 'misdirected';
    }
);

export type FaultKind = Fault['kind'];

export interface Script {
  readonly seed: number;
  readonly settings: Settings;
  /** In order of time. */
  readonly faults: readonly Fault[];
}

const KIBIBYTE = 1024;
/** A little more than `drift-clock` draws. */
export const CLOCK_DRIFT_MAX = 0.06;

/** With `reads` above 0 there are readers, who make so many reads of each kind at once; else in a part of the seeds, and they make few. */
export function drawScript(seed: number, mode: Mode, reads = 0): Script {
  const random = new Random(seed);
  // Drawn apart, so that the rest of a seed stays what it is.
  const checkpoints = drawCheckpoints(new Random(seed + 0.25 * 2 ** 31));
  const drawn = drawSettings(random, mode);
  const flags = drawFlags(new Random(seed + 0.625 * 2 ** 31));
  const asks = drawAsks(new Random(seed + 0.6875 * 2 ** 31));
  const readers = drawReads(new Random(seed + 0.75 * 2 ** 31), drawn.electionTimeoutMs, reads);
  const hasLeases = readers !== null && new Random(seed + 0.78125 * 2 ** 31).chance(0.6);
  const settings = {
    ...drawn,
    ...(checkpoints === null ? {} : { checkpoints }),
    ...(flags === null ? {} : { flags }),
    ...(asks === null ? {} : { asks }),
    ...(readers === null ? {} : { reads: readers }),
    ...(hasLeases ? { clockDriftMax: CLOCK_DRIFT_MAX } : {}),
  };
  const faults = drawFaults(random, settings);
  const deposed = readers === null ? [] : drawDeposed(new Random(seed + 0.875 * 2 ** 31), settings);
  const isWithinBound = ({ kind }: Fault): boolean => !hasLeases || kind !== 'jump-clock';
  const withheld = asks === null ? [] : drawWithheld(new Random(seed + 0.71875 * 2 ** 31), settings);
  const copies = checkpoints === null ? [] : drawCopies(new Random(seed + 0.8125 * 2 ** 31), settings);
  const drawnApart = [...deposed, ...withheld, ...copies];
  const sorted = [...faults.filter(isWithinBound), ...drawnApart].sort((a, b) => a.at - b.at);
  const script = drawNarrowLog(seed, { seed, settings, faults: sorted });
  return drawBuilds(seed, drawBootstraps(seed, drawTurnover(seed, drawChurn(seed, script))));
}

/** What a disk may be lost, or be taken for lost, by. */
const losing: ReadonlySet<FaultKind> = new Set<FaultKind>(['wipe', 'set-back', 'flip-durable', 'bad-write']);

/**
 * Some runs begin without any members named. Where liveness is wanted all calls are for the same list; else for any that have a replica
 * in common, and no disk is lost: a disk that is emptied may take another list, and then there are two clusters.
 */
function drawBootstraps(seed: number, script: Script): Script {
  const random = new Random(seed + 0.3125 * 2 ** 31);
  const { settings } = script;
  if (settings.spares !== undefined || random.chance(0.75)) return script;
  const { replicas, troubleMs, mode } = settings;
  const count = 1 + random.below(4);
  const calls = Array.from({ length: count }, (): Fault => {
    const least = mode === 'recoverable' ? replicas : Math.floor(replicas / 2) + 1;
    return {
      at: random.between(0, 0.6) * troubleMs,
      kind: 'bootstrap',
      target: random.below(replicas),
      order: random.shuffled(Array.from({ length: replicas }, (_, index) => index)),
      size: least + random.below(replicas - least + 1),
    };
  });
  const others =
    mode === 'recoverable' ? script.faults : script.faults.filter(({ kind }) => !losing.has(kind));
  const faults = [...others, ...calls].sort((a, b) => a.at - b.at);
  return { seed, settings: { ...settings, isBootstrapped: true }, faults };
}

/**
 * Some runs are an upgrade: builds of neighbouring versions are mixed, exchanged one by one, forth and sometimes back, and the
 * version is raised meanwhile. A disk that is set back is found out by peers that stay, and an old build may have to go.
 */
function drawBuilds(seed: number, script: Script): Script {
  const random = new Random(seed + 0.9375 * 2 ** 31);
  if (random.chance(0.8)) return script;
  const { settings } = script;
  const { replicas, spares = 0, electionTimeoutMs, troubleMs } = settings;
  const total = replicas + spares;
  const oldest = { min: 1, max: random.pick([1, 1, 1, 2]) };
  const versions = Array.from({ length: total }, () => (random.chance(0.7) ? oldest : { min: 1, max: 2 }));
  const faults: Fault[] = script.faults.filter(({ kind }) => kind !== 'set-back');
  const downMs = (): number => electionTimeoutMs * random.pick([0.01, 0.2, 1]);
  for (let target = 0; target < total; target += 1) {
    const at = random.between(0, 0.4) * troubleMs;
    const next = { min: random.chance(0.05) ? 2 : 1, max: random.pick([2, 2, 3]) };
    faults.push({ at, kind: 'exchange-build', target, ...next, downMs: downMs() });
    if (random.chance(0.2))
      faults.push({
        at: at + random.between(0.05, 0.6) * troubleMs,
        kind: 'exchange-build',
        target,
        ...oldest,
        downMs: downMs(),
      });
  }
  for (let count = 2 + random.below(8); count > 0; count -= 1) {
    const at = random.between(0.2, 1) * troubleMs;
    const target = random.chance(0.8) ? -1 : random.below(total);
    faults.push({ at, kind: 'raise', target, version: random.pick([0, 0, 2, 3]) });
    // The primary is lost before its decree is chosen: the next one finds it, and a member that is of an older build again by then.
    const soon = at + random.between(0, 0.02) * electionTimeoutMs;
    if (random.chance(0.3))
      faults.push({ at: soon, kind: 'crash', target: -1, isPower: false, downMs: 2 * electionTimeoutMs });
    if (random.chance(0.6))
      faults.push({
        at: soon,
        kind: 'exchange-build',
        target: random.below(total),
        ...oldest,
        downMs: 0.1,
      });
  }
  return { seed, settings: { ...settings, versions }, faults: faults.sort((a, b) => a.at - b.at) };
}

/** Some runs change their members too. By chances of their own: all else in these runs is as it would be without. */
function drawChurn(seed: number, script: Script): Script {
  const random = new Random(seed + 0.25 * 2 ** 31);
  const { settings } = script;
  if (settings.replicas > 5 || random.chance(0.65)) return script;
  const spares = 1 + random.below(2);
  const total = settings.replicas + spares;
  const count = 1 + random.below(random.pick([3, 8]));
  const changes = Array.from({ length: count }, () =>
    drawChange(random, random.between(0.1, 1) * settings.troubleMs, total, settings.mode),
  );
  const faults = [...script.faults, ...changes].sort((a, b) => a.at - b.at);
  return { seed, settings: { ...settings, spares }, faults };
}

function drawChange(random: Random, at: number, total: number, mode: Mode): Fault {
  return {
    at,
    kind: 'change',
    target: random.chance(0.9) ? -1 : random.below(total),
    how: random.pick(['add', 'add', 'remove', 'replace', 'replace', 'any']),
    order: random.shuffled(Array.from({ length: total }, (_, index) => index)),
    size: 1 + random.below(Math.min(total, MEMBERS_MAX)),
    force: mode === 'unbounded' && random.chance(0.2),
  };
}

/**
 * One long run in which the members change about `changes` times, by chance, under the faults of the seed again and again. Two spares; what
 * a cluster of so many disks cannot stand is left out as ever. There are checkpoints, or every restart would execute the whole run again.
 */
export function drawChurnScript(seed: number, changes: number): Script {
  const random = new Random(seed + 0.75 * 2 ** 31);
  const base = drawSettings(random, 'recoverable');
  const electionTimeoutMs = Math.min(base.electionTimeoutMs, 300);
  const heartbeatMs = Math.floor(electionTimeoutMs / 6);
  const replicas = Math.min(base.replicas, 5);
  const settings = {
    ...base,
    replicas,
    spares: 2,
    electionTimeoutMs,
    heartbeatMs,
    thinkMs: electionTimeoutMs,
    checkpoints: { everyBytes: 4000, everyMs: null, retain: 2 },
  };
  const faults: Fault[] = [];
  const stepMs = 3 * electionTimeoutMs;
  // For most nobody is there to be asked, or a disk is not settled yet; some are refused.
  const troubleMs = changes * 3 * stepMs;
  for (let at = stepMs; at < troubleMs; at += stepMs * random.between(0.5, 1.5))
    faults.push(drawChange(random, at, replicas + 2, 'recoverable'));
  const chapterMs = 12 * electionTimeoutMs;
  // Between two faults there is time for a change.
  const spread = 3;
  for (let begin = 0; begin < troubleMs; begin += spread * chapterMs) {
    // A disk is set back or decays in ways that only time without changes tells of.
    for (const fault of drawFaults(random, { ...settings, troubleMs: chapterMs }))
      if (fault.kind !== 'set-back') faults.push({ ...fault, at: begin + spread * fault.at });
  }
  return { seed, settings: { ...settings, troubleMs }, faults: faults.sort((a, b) => a.at - b.at) };
}

function drawSettings(random: Random, mode: Mode): Settings {
  const replicas = random.pick([3, 3, 3, 3, 3, 3, 3, 5, 5, 7]);
  const electionTimeoutMs = random.pick([100, 300, 1000, 2000, 3000]);
  const segmentBytes = random.pick([32, 32, 64]) * KIBIBYTE;
  const decreeBytesMax = 8 * KIBIBYTE;
  return {
    mode,
    replicas,
    electionTimeoutMs,
    heartbeatMs: Math.floor(electionTimeoutMs / random.pick([4, 6])),
    limits: {
      pipelineDecreesMax: random.pick([1, 4, 16, 64]),
      pipelineBytesMax: random.pick([8, 32]) * KIBIBYTE,
      decreeBytesMax,
      decreeCommandsMax: random.pick([1, 8, 1000]),
      fetchBytesMax: random.pick([8, 16, 64]) * KIBIBYTE,
      sendQueueBytesMax: random.pick([16, 64, 256]) * KIBIBYTE,
      outstandingBytesMax: random.pick([1, 64]) * KIBIBYTE,
    },
    isInline: random.chance(0.3),
    disk: drawDisk(random, segmentBytes),
    network: {
      delayMs: random.pick<[number, number]>([
        [0.05, 0.2],
        [0.1, 2],
        [1, 10],
      ]),
      tail: random.pick([0, 0, 0.01, 0.05]),
      tailMs: random.pick([0.5, 2]),
      split: random.pick([0, 0, 0.05, 0.3]),
      windowBytes: random.pick([4, 32, 256]) * KIBIBYTE,
    },
    clients: random.pick([1, 2, 3, 4]),
    thinkMs: electionTimeoutMs * random.pick([0.15, 0.4, 1, 3]),
    burst: random.pick([1, 1, 1, 2, 5]),
    keys: random.pick([1, 3, 6]),
    valueBytes: random.pick([1, 16, 200]),
    timeoutMs: electionTimeoutMs * random.pick([1, 4, 20]),
    troubleMs: electionTimeoutMs * random.pick([3, 5, 7, 12]),
  };
}

function drawDisk(random: Random, segmentBytes: number): DiskModel {
  const kind = random.pick(['mapped', 'sectors', 'sectors', 'pages'] as const);
  const blockBytes = { mapped: 64, sectors: 512, pages: 4096 }[kind];
  return {
    blockBytes,
    tearBytes: kind === 'mapped' ? random.pick([8, 64]) : kind === 'sectors' ? 512 : random.pick([512, 4096]),
    isMapped: kind === 'mapped',
    writeMs:
      kind === 'mapped'
        ? [0, 0]
        : random.pick<[number, number]>([
            [0.02, 0.1],
            [0.1, 2],
            [1, 15],
          ]),
    segmentBytes,
  };
}

/** Small ones, so that logs are dropped in runs of some hundred commands. */
function drawCheckpoints(random: Random): CheckpointPolicy | null {
  if (random.chance(0.35)) return null;
  return {
    everyBytes: random.pick([200, 1000, 4000]),
    everyMs: random.pick([null, null, 200, 2000]),
    retain: random.pick([1, 2, 2, 3]),
  };
}

/** Commands with a decree of their own, and the last ones of a primary. */
function drawFlags(random: Random): { readonly exclusive: number; readonly last: number } | null {
  if (random.chance(0.5)) return null;
  return { exclusive: random.pick([0, 0.1, 0.5]), last: random.pick([0, 0.01, 0.05]) };
}

function drawAsks(random: Random): NonNullable<Settings['asks']> | null {
  if (random.chance(0.6)) return null;
  return { leadNo: random.pick([0, 0.2, 0.7]), voteNo: random.pick([0, 0.1, 0.5]) };
}

/** Replicas that vote for nobody, for a while. */
function drawWithheld(random: Random, { replicas, electionTimeoutMs, troubleMs }: Settings): Fault[] {
  return Array.from({ length: random.below(4) }, () => ({
    at: random.between(0.05, 0.9) * troubleMs,
    kind: 'withhold-votes',
    target: random.chance(0.2) ? -1 : random.below(replicas),
    forMs: electionTimeoutMs * random.pick([0.05, 0.5, 3]),
  }));
}

/**
 * Copies of checkpoints that the application asks for; some of them twice at a time, or given up. Some applications stand
 * still behind that, and hear of a copy from far away before they have executed as much.
 */
function drawCopies(random: Random, { replicas, electionTimeoutMs, troubleMs }: Settings): Fault[] {
  if (random.chance(0.5)) return [];
  const count = 1 + random.below(random.pick([3, 12]));
  return Array.from({ length: count }, (): Fault[] => {
    const at = random.between(0.1, 1) * troubleMs;
    const target = random.chance(0.1) ? -1 : random.below(replicas);
    const other = random.below(replicas);
    const from = random.chance(0.4) ? -1 : other;
    const withinMs = random.chance(0.7) ? null : electionTimeoutMs * random.pick([0.01, 0.1, 1]);
    const forMs = electionTimeoutMs * random.pick([0.5, 2, 4]);
    const byMs = forMs * random.between(0.1, 0.4);
    const copy = { at, kind: 'copy', target, other: from, withinMs } as const;
    if (random.chance(0.5)) return [copy];
    return [
      { at, kind: 'slow', target, other, byMs, forMs },
      copy,
      { at: at + 0.1, kind: 'block-application', target, forMs },
    ];
  }).flat();
}

function drawReads(random: Random, electionTimeoutMs: number, burst: number): ReadSettings | null {
  const everyMs = electionTimeoutMs * random.pick([0.02, 0.1, 0.5]);
  if (burst > 0) return { everyMs: electionTimeoutMs * 0.03, burst };
  return random.chance(0.5) ? { everyMs, burst: random.pick([1, 3]) } : null;
}

/** The primary stands still until there is another, goes on out of everybody's reach, and takes itself for the primary for a while. */
function drawDeposed(random: Random, { replicas, electionTimeoutMs, troubleMs }: Settings): Fault[] {
  const count = random.below(3);
  return Array.from({ length: count }, () => {
    const at = random.between(0.1, 0.9) * troubleMs;
    const forMs = electionTimeoutMs * random.between(1.5, 3);
    const order = random.shuffled(Array.from({ length: replicas }, (_, index) => index));
    return [
      { at, kind: 'partition', shape: 'isolate', order, around: -1, forMs: forMs + 2 * electionTimeoutMs },
      { at, kind: 'pause', target: -1, forMs },
    ] as const;
  }).flat();
}

type Draw = (at: number) => Fault;

function drawFaults(random: Random, settings: Settings): Fault[] {
  const { replicas, electionTimeoutMs, troubleMs, mode } = settings;
  const target = (): Target => (random.chance(0.35) ? -1 : random.below(replicas));
  const other = (): number => random.below(replicas);
  const forMs = (): number => electionTimeoutMs * random.pick([0.1, 0.5, 1.5, 4]) * random.between(0.5, 1.5);
  const downMs = (): number => electionTimeoutMs * random.pick([0.01, 0.5, 2, 5]) * random.between(0.5, 1.5);
  const draws: Record<string, Draw> = {
    crash: (at) => ({ at, kind: 'crash', target: target(), isPower: random.chance(0.4), downMs: downMs() }),
    step: (at) => ({
      at,
      kind: 'crash-at-step',
      target: target(),
      steps: 1 + random.below(random.pick([3, 10, 40])),
      downMs: downMs(),
    }),
    all: (at) => ({ at, kind: 'crash-all', downMs: downMs() }),
    close: (at) => ({ at, kind: 'close', target: target(), downMs: downMs() }),
    pause: (at) => ({ at, kind: 'pause', target: target(), forMs: forMs() }),
    block: (at) => ({ at, kind: 'block-application', target: target(), forMs: forMs() }),
    wipe: (at) => ({ at, kind: 'wipe', target: target(), downMs: downMs() }),
    back: (at) => ({ at, kind: 'set-back', target: target(), downMs: downMs(), ageMs: forMs() }),
    cut: (at) => ({ at, kind: 'cut', target: target(), other: other(), forMs: forMs() }),
    oneWay: (at) => ({ at, kind: 'cut-one-way', target: target(), other: other(), forMs: forMs() }),
    reset: (at) => ({ at, kind: 'reset', target: target(), other: other() }),
    slow: (at) => ({
      at,
      kind: 'slow',
      target: target(),
      other: other(),
      byMs: electionTimeoutMs * random.pick([0.05, 0.3, 1]),
      forMs: forMs(),
    }),
    partition: (at) => ({
      at,
      kind: 'partition',
      shape: random.pick(['split', 'isolate', 'star', 'chain', 'ring', 'quorum-loss', 'one-way', 'random']),
      order: random.shuffled(Array.from({ length: replicas }, (_, index) => index)),
      around: target(),
      forMs: forMs() * 2,
    }),
    flip: (at) => ({ at, kind: 'frame', what: 'flip', times: 1, target: target(), other: other() }),
    clock: (at) => {
      const which = random.below(3);
      if (which === 0)
        return {
          at,
          kind: 'step-clock',
          target: target(),
          byMs: random.pick([-3_600_000, -500, 500, 3_600_000]),
        };
      if (which === 1) return { at, kind: 'jump-clock', target: target(), byMs: forMs() };
      return { at, kind: 'drift-clock', target: target(), rate: random.between(0.95, 1.05) };
    },
    stall: (at) => ({ at, kind: 'stall-disk', target: target(), forMs: forMs() }),
    fill: (at) => ({ at, kind: 'fill-disk', target: target(), forMs: forMs() * 2 }),
    fail: (at) => ({ at, kind: 'fail-disk', target: target() }),
    decay: (at) => ({ at, kind: 'flip-durable', target: target(), downMs: downMs() }),
    badWrite: (at) => ({
      at,
      kind: 'bad-write',
      target: target(),
      what: random.pick(['lost', 'stale-piece', 'misdirected']),
    }),
  };
  if (mode === 'unbounded') {
    for (const what of ['duplicate', 'swap', 'replay'] as const)
      draws[what] = (at) => ({
        at,
        kind: 'frame',
        what,
        times: 1 + random.below(random.pick([1, 5, 30])),
        target: target(),
        other: other(),
      });
  }
  // Behind all others, so that these stay what they are.
  draws.promote = (at) => ({ at, kind: 'promote', target: target(), evenIfBehind: random.chance(0.3) });
  draws.relinquish = (at) => ({
    at,
    kind: 'relinquish',
    target: random.chance(0.8) ? -1 : target(),
    other: random.chance(0.5) ? -1 : other(),
  });
  draws.priority = (at) => ({
    at,
    kind: 'priority',
    target: target(),
    priority: random.pick([0, 50, 100, 150, 255]),
  });
  const often = new Set(['duplicate', 'swap', 'replay', 'crash', 'step', 'cut', 'reset', 'relinquish']);
  const harshness = random.pick([0.3, 1, 2]);
  const faults: Fault[] = [];
  for (const [name, draw] of Object.entries(draws)) {
    if (random.chance(name === 'back' ? 0.8 : 0.5)) continue;
    const most = (often.has(name) ? 8 : 3) * harshness * (troubleMs / (12 * electionTimeoutMs));
    const count = Math.ceil(random.real() ** 2 * most);
    for (let index = 0; index < count; index += 1) faults.push(draw(random.between(0.02, 1) * troubleMs));
  }
  return faults.sort((a, b) => a.at - b.at);
}
