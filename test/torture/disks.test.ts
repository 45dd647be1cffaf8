import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Random } from '../cluster/support/random.js';
import type { TortureCluster } from './cluster.js';
import { diskFaults } from './faults/disks.js';

const folder = mkdtempSync(join(tmpdir(), 'synod-disks-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Three replicas, of which c counts its starts on its disk, and whose peers learn late that it ended and that it started. */
function fakeCluster() {
  const dataDir = join(folder, 'c');
  const disk = join(dataDir, 'disk');
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(disk, '1');
  const excused = { add: () => undefined };
  let started = 1;
  let isRunning = true;
  /** The start that the peers have a link to; 0 for none. */
  let linked = 1;
  let highestMet = 1;
  let looks = 0;
  const refused: boolean[] = [];
  const c = {
    id: 'c',
    config: { storage: { kind: 'file' } },
    dataDir,
    excused,
    said: 0,
    lastLines: [] as string[],
    end: async () => {
      isRunning = false;
      looks = 0;
    },
    start: () => {
      started = Number(readFileSync(disk, 'utf8')) + 1;
      writeFileSync(disk, String(started));
      isRunning = true;
      looks = 0;
    },
    untilEnded: async () => {
      refused.push(started <= highestMet);
      c.lastLines = ['ERR_SYNOD_REFUSED'];
    },
  };
  const cluster = {
    replicas: [{ id: 'a', excused }, { id: 'b', excused }, c],
    busy: new Set(['a', 'b']),
    diskLost: null,
    statuses: async () => {
      looks += 1;
      if (looks > 2) linked = isRunning ? started : 0;
      highestMet = Math.max(highestMet, linked);
      return ['a', 'b'].map((replica) => ({ replica, peers: [{ id: 'c', connected: linked > 0 }] }));
    },
  };
  return { cluster: cluster as unknown as TortureCluster, refused, disk };
}

describe('a disk that is set back', () => {
  it('comes back only when the peers have met the later one', async () => {
    const { cluster, refused, disk } = fakeCluster();
    const setBack = diskFaults.find(({ kind }) => kind === 'set-back')!;
    const fault = await setBack.draw(cluster, new Random(1));
    await fault!.inject();
    expect(refused).toEqual([true]);
    expect(existsSync(disk)).toBe(true);
  });
});
