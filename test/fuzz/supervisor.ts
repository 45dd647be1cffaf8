/** Fuzzes one target in a thread of its own, and notices when that thread hangs or dies. */

import { Worker } from 'node:worker_threads';
import type { Finding } from './finding.js';
import type { LoopResult, Progress } from './loop.js';
import type { FromWorker, WorkerOrder } from './worker.js';

export interface SuperviseOptions {
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  readonly keep: boolean;
  readonly corpus: readonly Uint8Array[];
  readonly onProgress: (progress: Progress) => void;
  /** An input that runs for longer hangs. */
  readonly hangMs?: number;
}

const INPUT_BYTES_MAX = 1024 * 1024;
const HEAP_MEBIBYTES_MAX = 768;

export function supervise(options: SuperviseOptions): Promise<LoopResult> {
  const { target, seed, seconds, keep, corpus, onProgress, hangMs = 10_000 } = options;
  const current = new SharedArrayBuffer(8 + INPUT_BYTES_MAX);
  const head = new Int32Array(current, 0, 2);
  const order: WorkerOrder = { target, seed, seconds, keep, corpus, current };
  const begun = performance.now();
  let progress: Progress = { executions: 0, corpus: 0, functions: 0, characters: 0, features: 0 };
  const lastInput = (): Uint8Array => new Uint8Array(current, 8, head[1]).slice();
  const brokenBy = (finding: Finding): LoopResult => ({
    ...progress,
    executions: Atomics.load(head, 0),
    wallMs: performance.now() - begun,
    finding: { ...finding, input: lastInput() },
    minimised: [],
  });

  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: order,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MEBIBYTES_MAX },
    });
    let beat = 0;
    let beatAt = performance.now();
    const watch = setInterval(() => {
      const now = performance.now();
      const latest = Atomics.load(head, 0);
      if (latest !== beat) {
        beat = latest;
        beatAt = now;
      } else if (beat > 0 && now - beatAt > hangMs) {
        end(brokenBy({ kind: 'hang', message: `no end after ${Math.round(now - beatAt)} ms` }));
      }
    }, 250);
    const end = (result: LoopResult): void => {
      clearInterval(watch);
      void worker.terminate();
      resolve(result);
    };
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'progress') {
        progress = message.progress;
        onProgress(progress);
      } else end(message.result);
    });
    worker.on('error', (error: NodeJS.ErrnoException) => {
      if (Atomics.load(head, 0) === 0) {
        clearInterval(watch);
        reject(error);
        return;
      }
      const kind = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out of memory' : 'crash';
      end(brokenBy({ kind, message: error.stack ?? String(error) }));
    });
    worker.on('exit', (code) => {
      end(brokenBy({ kind: 'crash', message: `the thread ended with ${code}` }));
    });
  });
}
