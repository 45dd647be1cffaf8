/** Replicas with data directories, whose state machine counts and makes checkpoints; and the command line in this process. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run } from '../../src/cli/run.js';
import { type Decree, Replica, type ReplicaOptions } from '../../src/index.js';
import { freePorts, silentLogger } from '../application/support.js';
import { Counter } from './counter.mjs';

const roots: string[] = [];
const opened: Replica<number>[] = [];

export function makeRoot(): string {
  const root = mkdtempSync(path.join(tmpdir(), 'synod-tools-'));
  roots.push(root);
  return root;
}

export interface Stored {
  readonly id: string;
  readonly dir: string;
  readonly machine: Counter & { apply(decree: Decree<number>): void };
  readonly replica: Replica<number>;
}

/** Opens the replicas of a cluster on the disk, below `root`. */
export async function openStored(
  root: string,
  ids: readonly string[],
  only: readonly string[] = ids,
  more: Partial<ReplicaOptions> = {},
): Promise<readonly Stored[]> {
  const ports = await freePorts(ids.length);
  const members = ids.map((id, index) => ({ id, address: `127.0.0.1:${ports[index]}` }));
  return await Promise.all(
    only.map(async (id) => {
      const machine = new Counter();
      const dir = path.join(root, id);
      const replica = await Replica.open<number>(
        {
          cluster: 'tools',
          replica: id,
          members,
          dataDir: dir,
          storage: { kind: 'file', segmentBytes: 1024 * 1024 },
          transport: { kind: 'tcp' },
          engine: 'inline',
          logger: silentLogger,
          ...more,
        },
        machine,
      );
      opened.push(replica);
      return { id, dir, machine, replica };
    }),
  );
}

export async function cleanUp(): Promise<void> {
  await Promise.all(opened.splice(0).map((replica) => replica.close()));
  for (const root of roots.splice(0)) rmSync(root, { recursive: true, force: true });
}

export async function command(
  ...args: string[]
): Promise<{ code: number; lines: string[]; errors: string[]; json: () => Record<string, unknown> }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const code = await run(args, {
    line: (text) => void lines.push(...text.split('\n')),
    error: (text) => void errors.push(text),
    progress: () => {},
  });
  return { code, lines, errors, json: () => JSON.parse(lines.at(-1)!) };
}
