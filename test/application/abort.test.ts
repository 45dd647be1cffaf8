/** Aim: a signal that many calls share has one listener, and none once they are over. */

import { getEventListeners } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { onAbort } from '../../src/application/abort.js';
import { bytesOf, closeAll, codeOf, type Member, openCluster } from './support.js';

afterEach(closeAll);

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

it('calls each once, and holds one listener for all', () => {
  const controller = new AbortController();
  const { signal } = controller;
  let called = 0;
  const call = (): void => {
    called += 1;
  };
  const stops = Array.from({ length: 100 }, () => onAbort(signal, call));
  expect(listenersOf(signal)).toBe(1);
  for (const stop of stops.slice(0, 40)) stop();
  for (const stop of stops.slice(0, 40)) stop();
  expect(listenersOf(signal)).toBe(1);
  controller.abort();
  expect(called).toBe(60);
  expect(listenersOf(signal)).toBe(0);
  for (const stop of stops) stop();
});

it('goes when the last call is over, and comes again with the next', () => {
  const controller = new AbortController();
  const { signal } = controller;
  const stop = onAbort(signal, () => {});
  stop();
  expect(listenersOf(signal)).toBe(0);
  let called = false;
  onAbort(signal, () => {
    called = true;
  });
  stop();
  expect(listenersOf(signal), 'a stop that comes twice takes nothing from others').toBe(1);
  controller.abort();
  expect(called).toBe(true);
});

it('lets calls end each other while they are called', () => {
  const controller = new AbortController();
  const called: string[] = [];
  const stopOther = onAbort(controller.signal, () => called.push('first'));
  let stopThird = (): void => {};
  onAbort(controller.signal, () => {
    called.push('second');
    stopThird();
  });
  stopThird = onAbort(controller.signal, () => called.push('third'));
  controller.abort();
  expect(called).toEqual(['first', 'second']);
  stopOther();
});

it('commands, batches and reads of a replica share it, without a warning', async () => {
  const [{ replica }] = (await openCluster(1)) as [Member];
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  const controller = new AbortController();
  const { signal } = controller;
  const calls = Array.from({ length: 30 }, (_, index) => [
    replica.replicate(bytesOf(`${index}`), { signal }),
    replica.replicateBatch([bytesOf(`b${index}`)], { signal }),
    replica.read(null, { signal }),
  ]).flat();
  expect(listenersOf(signal)).toBe(1);
  await Promise.all<unknown>(calls);
  expect(listenersOf(signal)).toBe(0);
  const late = [replica.replicate(bytesOf('late'), { signal }), replica.read(null, { signal })];
  controller.abort();
  expect(await Promise.all(late.map(codeOf))).toEqual([
    'ERR_SYNOD_ABORTED unknown',
    'ERR_SYNOD_ABORTED not-applied',
  ]);
  // A warning is told in a later turn.
  await new Promise((resolve) => setImmediate(resolve));
  process.off('warning', onWarning);
  expect(warnings).toEqual([]);
});
