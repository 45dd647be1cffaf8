/** node:fs that remembers the path of every file and folder that was synced, in order. */

import fs from 'node:fs';
import type { FileSystem } from '../../src/storage/file-system.js';

export function recordSyncs(): { readonly synced: string[]; readonly fileSystem: FileSystem } {
  const opened = new Map<number, string>();
  const synced: string[] = [];
  const fileSystem = {
    ...fs,
    open: (
      file: string,
      flags: fs.OpenMode,
      done: (error: NodeJS.ErrnoException | null, fd: number) => void,
    ) =>
      fs.open(file, flags, (error, fd) => {
        if (error === null) opened.set(fd, file);
        done(error, fd);
      }),
    fsync: (fd: number, done: fs.NoParamCallback) => {
      synced.push(opened.get(fd) ?? '?');
      fs.fsync(fd, done);
    },
  } as unknown as FileSystem;
  return { synced, fileSystem };
}
