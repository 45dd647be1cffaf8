/**
 * Compound faults that chance would seldom put together: most of the members are replaced by newcomers, while a member of both
 * sets is cut off with acceptances of its own behind the change; and logs whose segments are smaller than what is under way.
 */

import { FRAME_OVERHEAD_BYTES } from '../../src/limits.js';
import { Random } from '../properties/random.js';
import type { Fault, Script } from './script.js';

const KIBIBYTE = 1024;
/** The least that takes a decree beside what is kept back, and twice as much as two of them hold. */
const SEGMENT_BYTES = 32 * KIBIBYTE;
const PIPELINE_BYTES = 128 * KIBIBYTE;

function durationMs(fault: Fault): number {
  if ('forMs' in fault) return fault.forMs;
  return 'downMs' in fault ? fault.downMs : 0;
}

/**
 * In some runs of three members: one accepts decrees that nobody else has, those without it put it and two newcomers into the
 * place of all, and these two choose, until one of them dies and the first comes back. All of it with times that vary, and most of
 * the faults of the seed left in place where they do not fall into it.
 */
export function drawTurnover(seed: number, script: Script): Script {
  const random = new Random(seed + 0.4375 * 2 ** 31);
  const { settings } = script;
  if (settings.replicas !== 3 || random.chance(0.92)) return script;
  const { electionTimeoutMs: timeoutMs, limits } = settings;
  const some = (least: number, most: number): number => timeoutMs * random.between(least, most);
  const [primary, other, stays] = random.shuffled([0, 1, 2]) as [number, number, number];
  const newcomers = [3, 4];
  const begin = Math.max(settings.troubleMs * random.between(0.1, 0.5), some(2, 3));
  const alone = begin + some(0.6, 1.5);
  const lost = alone + some(0.1, 0.8);
  const asked = lost + some(0.2, 0.5);
  const gone = asked + some(1.5, 3);
  const back = gone + some(0.5, 2);
  const end = back + some(2, 4);
  const faults: Fault[] = [
    { at: begin, kind: 'promote', target: primary, evenIfBehind: true },
    // What is accepted from now on is accepted by one, and not durably by who proposes it.
    { at: alone, kind: 'stall-disk', target: primary, forMs: lost - alone },
    { at: alone, kind: 'cut', target: primary, other, forMs: lost - alone },
    { at: lost, kind: 'crash', target: primary, isPower: true, downMs: some(0.01, 0.2) },
    {
      at: lost,
      kind: 'partition',
      shape: 'isolate',
      order: [stays, other, primary, ...newcomers],
      around: stays,
      forMs: back - lost,
    },
  ];
  if (random.chance(0.7))
    faults.push({ at: lost + some(0.1, 0.5), kind: 'promote', target: other, evenIfBehind: true });
  // Until one of the two is primary; the newcomers are not asked to change the set again.
  for (let at = asked; at < gone; at += some(0.02, 0.1))
    faults.push({
      at,
      kind: 'change',
      target: random.chance(0.7) ? other : primary,
      how: 'any',
      order: [...random.shuffled([stays, ...newcomers]), primary, other],
      size: 3,
      force: false,
    });
  for (const target of [primary, other])
    if (random.chance(0.7))
      faults.push({ at: gone, kind: 'crash', target, isPower: random.chance(0.5), downMs: end - gone });
  // The first primary among the newcomers, soon after its election, whenever that is.
  for (let at = asked + timeoutMs; at < back; at += some(0.05, 0.3))
    faults.push({ at, kind: 'crash-at-step', target: -1, steps: 1 + random.below(20), downMs: some(1, 4) });
  // What else falls into it makes another story of it, mostly.
  const isApart = (fault: Fault): boolean =>
    fault.at > end || fault.at + durationMs(fault) < begin - timeoutMs;
  const isKept = (fault: Fault): boolean =>
    fault.kind !== 'change' && fault.kind !== 'set-back' && (isApart(fault) || random.chance(0.1));
  return {
    seed,
    settings: {
      ...settings,
      spares: 2,
      limits: {
        ...limits,
        pipelineDecreesMax: random.pick([16, 64]),
        decreeCommandsMax: random.pick([8, 1000]),
      },
      clients: random.pick([4, 8]),
      burst: random.pick([1, 2]),
      thinkMs: timeoutMs * random.pick([0.05, 0.2]),
      timeoutMs: timeoutMs * random.pick([1, 4, 20]),
      troubleMs: Math.max(settings.troubleMs, end),
    },
    faults: [...script.faults.filter(isKept), ...faults].sort((a, b) => a.at - b.at),
  };
}

/** In some runs a segment holds less than may be under way, and much is: whoever proposes it again waits for segments. */
export function drawNarrowLog(seed: number, script: Script): Script {
  const random = new Random(seed + 0.46875 * 2 ** 31);
  if (random.chance(0.985)) return script;
  const { settings } = script;
  const some = (least: number, most: number): number =>
    settings.electionTimeoutMs * random.between(least, most);
  const { limits, disk, checkpoints, replicas, troubleMs } = settings;
  const faults: Fault[] = [];
  // A primary hears nothing of what one member accepts, and nobody else accepts it: then it dies.
  for (let at = some(1.5, 3); at < troubleMs && replicas === 3; at += some(3, 6)) {
    const [primary, accepts, other] = random.shuffled([0, 1, 2]) as [number, number, number];
    const alone = at + some(0.1, 1);
    const forMs = some(0.2, 0.8);
    faults.push(
      { at, kind: 'promote', target: primary, evenIfBehind: true },
      { at: alone, kind: 'cut-one-way', target: accepts, other: primary, forMs },
      { at: alone, kind: 'cut', target: primary, other, forMs },
      { at: alone + forMs, kind: 'crash', target: primary, isPower: false, downMs: some(1, 3) },
    );
  }
  return {
    seed,
    faults: [...script.faults, ...faults].sort((a, b) => a.at - b.at),
    settings: {
      ...settings,
      disk: { ...disk, segmentBytes: SEGMENT_BYTES },
      // Else there would be one for each command.
      ...(checkpoints === undefined
        ? {}
        : { checkpoints: { ...checkpoints, everyBytes: random.pick([8, 32]) * KIBIBYTE } }),
      limits: {
        ...limits,
        pipelineDecreesMax: random.pick([16, 64]),
        pipelineBytesMax: PIPELINE_BYTES,
        outstandingBytesMax: PIPELINE_BYTES,
        sendQueueBytesMax: Math.max(
          limits.sendQueueBytesMax,
          PIPELINE_BYTES + limits.fetchBytesMax + 2 * FRAME_OVERHEAD_BYTES,
        ),
        decreeCommandsMax: random.pick([1, 8]),
      },
      clients: 4,
      burst: 10,
      thinkMs: some(0.1, 0.3),
      valueBytes: random.pick([500, 1500, 3000]),
    },
  };
}
