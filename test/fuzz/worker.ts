/** The thread that fuzzes one target. `supervisor.ts` watches it: an endless loop cannot watch itself. */

import { parentPort, workerData } from 'node:worker_threads';
import { fuzz, type LoopResult, type Progress } from './loop.js';
import { targetNamed } from './targets/index.js';

export interface WorkerOrder {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  readonly keep: boolean;
  readonly corpus: readonly Uint8Array[];
  /** Two words, beat and length, and then the input that is running. */
  readonly current: SharedArrayBuffer;
}

export type FromWorker =
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'done'; readonly result: LoopResult };

const order = workerData as WorkerOrder;
const head = new Int32Array(order.current, 0, 2);
const room = new Uint8Array(order.current, 8);
const post = (message: FromWorker): void => parentPort!.postMessage(message);

const result = await fuzz(targetNamed(order.target)!, {
  seed: order.seed,
  seconds: order.seconds,
  keep: order.keep,
  corpus: order.corpus,
  onRun: (input) => {
    room.set(input.subarray(0, room.length));
    head[1] = Math.min(input.length, room.length);
    Atomics.add(head, 0, 1);
  },
  onProgress: (progress) => post({ kind: 'progress', progress }),
});
post({ kind: 'done', result });
