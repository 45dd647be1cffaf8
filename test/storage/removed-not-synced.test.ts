/**
 * Aim: a segment that counts as removed is gone after a power cut too: the next one of the line may go then, and not before
 * (docs/storage-format.md, "What a writer does", 9). Method: a simulated disk, and a process that has run out of descriptors for a moment.
 */

import { expect, it } from 'vitest';
import type { SynodError } from '../../src/errors.js';
import { segmentName } from '../../src/storage/directory.js';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import { isNotThere } from '../../src/storage/storage-error.js';
import { Disk } from '../crash-states/disk.js';
import { SimulatedSystem } from '../crash-states/simulated-system.js';

it('a segment that counts as removed has no name that a power cut would give back', () => {
  const system = new SimulatedSystem(new Disk());
  let isShort = false;
  const fileSystem = {
    ...system.fileSystem,
    open: (file: string, flags: string, done: (error: NodeJS.ErrnoException | null, fd: number) => void) => {
      if (isShort && file === '/log')
        system.queue.add(false, () => done(Object.assign(new Error('EMFILE'), { code: 'EMFILE' }), -1));
      else (system.fileSystem.open as unknown as (...args: unknown[]) => void)(file, flags, done);
    },
  } as unknown as FileSystem;
  const medium = createFileMedium({ directory: '/log', segmentBytes: 16 * 1024, fileSystem });
  medium.start({ onPersisted: () => {}, onFailure: () => {} }, () => {});
  system.queue.runAll();
  for (const segment of [1, 2, 3]) {
    medium.create(segment, (error, memory) => {
      expect(error).toBe(null);
      medium.release(memory!);
    });
    system.queue.runAll();
  }

  // As Checkpoints.#drop and LogKeeper.#removeUnused do: an error, and it is tried again; not there, and it counts as removed.
  const remove = (segment: number): boolean => {
    let answer: SynodError | null | undefined;
    medium.remove(segment, (error) => {
      answer = error;
    });
    system.queue.runAll();
    return answer === null || isNotThere(answer!);
  };
  isShort = true;
  expect(remove(1)).toBe(false);
  isShort = false;
  expect(remove(1)).toBe(true);

  const directory = [...system.disk.nodes.values()].find(
    (node) => node.kind === 'directory' && [...node.cached.keys()].includes(segmentName(3)),
  );
  expect(directory?.kind === 'directory' && directory.durable.has(segmentName(1))).toBe(false);
});
