/** The relations between the bounds hold, and each is checked: another bound, and the contract is broken. */

import { expect, it } from 'vitest';
import type { AllBounds, Bounds } from '../../src/limits.js';
import { allBounds, checkBounds } from '../../src/limits.js';
import { contractOf } from '../protocol/harness.js';

const limits = (name: keyof AllBounds['limits'], change: Partial<Bounds>): Partial<AllBounds> => ({
  limits: { ...allBounds.limits, [name]: { ...allBounds.limits[name], ...change } },
});
const segmentBytes = (change: Partial<Bounds>): Partial<AllBounds> => ({
  segmentBytes: { ...allBounds.segmentBytes, ...change },
});

it.each<[string, Partial<AllBounds>]>([
  ['limits-default-within-bounds', limits('pipelineDecreesMax', { default: 0 })],
  ['limits-default-within-bounds', { electionTimeoutMs: { min: 1, default: 3, max: 2 } }],
  ['limits-segment-power-of-two', segmentBytes({ min: 3 * 1024 * 1024 })],
  ['limits-defaults-agree', segmentBytes({ min: 4096 })],
  ['limits-block-divides-segment', { blockBytesMax: 6000 }],
  ['limits-decree-fits-segment', limits('decreeBytesMax', { max: 2 ** 30 })],
  ['limits-fetch-fits-frame', limits('fetchBytesMax', { max: 2 ** 30 })],
  ['limits-lengths-fit-32-bits', { frameBytesMax: 2 ** 31 }],
  ['limits-heartbeats-fit-election-timeout', { electionTimeoutMs: { min: -7, default: 300, max: 600 } }],
])('%s', (contract, change) => {
  expect(contractOf(() => checkBounds(allBounds))).toBe('none');
  expect(contractOf(() => checkBounds({ ...allBounds, ...change }))).toBe(contract);
});
