/**
 * Aim: what a failed sync left is durable before a replica that starts again builds on it. The kernel forgets that the pages
 * are dirty, shows them, and lets the next sync of them succeed.
 * Method: a file system that does so, and a power cut.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { createFileMedium } from '../../src/storage/file/file-medium.js';
import type { FileSystem } from '../../src/storage/file-system.js';
import { MediumDriver } from './driver.js';

const PAGE = 4096;
const segmentBytes = 64 * 1024;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'synod-harden-'));

afterEach(() => fs.rmSync(directory, { recursive: true, force: true }));

/** node:fs with a cache of its own over each file: dirty pages reach the disk by a sync, or are forgotten by one that fails. */
class ForgetfulFileSystem {
  failsNext = false;
  readonly #files = new Map<string, { platter: Uint8Array; dirty: Set<number> }>();
  readonly #paths = new Map<number, string>();

  readonly fileSystem = {
    ...fs,
    open: (
      file: string,
      flags: fs.OpenMode,
      done: (error: NodeJS.ErrnoException | null, fd: number) => void,
    ) =>
      fs.open(file, flags, (error, fd) => {
        if (error === null) this.#paths.set(fd, file);
        done(error, fd);
      }),
    rename: (from: string, to: string, done: fs.NoParamCallback) => {
      this.#files.set(to, this.#file(from));
      for (const [fd, file] of this.#paths) if (file === from) this.#paths.set(fd, to);
      fs.rename(from, to, done);
    },
    write: (
      fd: number,
      source: Uint8Array,
      from: number,
      length: number,
      position: number,
      done: (error: NodeJS.ErrnoException | null, count: number) => void,
    ) => {
      const { dirty } = this.#file(this.#paths.get(fd)!);
      for (let at = Math.floor(position / PAGE); at * PAGE < position + length; at += 1) dirty.add(at);
      fs.write(fd, source, from, length, position, done);
    },
    fsync: (fd: number, done: fs.NoParamCallback) => this.#sync(fd, done),
    fdatasync: (fd: number, done: fs.NoParamCallback) => this.#sync(fd, done),
  } as unknown as FileSystem;

  cutPower(): void {
    for (const [file, { platter }] of this.#files) if (fs.existsSync(file)) fs.writeFileSync(file, platter);
  }

  #file(file: string): { platter: Uint8Array; dirty: Set<number> } {
    let found = this.#files.get(file);
    if (found === undefined) {
      found = { platter: new Uint8Array(segmentBytes), dirty: new Set() };
      this.#files.set(file, found);
    }
    return found;
  }

  #sync(fd: number, done: fs.NoParamCallback): void {
    const file = this.#paths.get(fd)!;
    if (fs.statSync(file).isDirectory()) {
      fs.fsync(fd, done);
      return;
    }
    const { platter, dirty } = this.#file(file);
    const pages = [...dirty];
    dirty.clear();
    if (this.failsNext) {
      this.failsNext = false;
      setImmediate(done, Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO' }));
      return;
    }
    const content = fs.readFileSync(file);
    for (const page of pages) platter.set(content.subarray(page * PAGE, (page + 1) * PAGE), page * PAGE);
    setImmediate(done, null);
  }
}

it('what a failed sync left is on the disk once it was hardened, and not before', async () => {
  const machine = new ForgetfulFileSystem();
  const { fileSystem } = machine;
  const segmentFile = path.join(directory, '0000000000000001.segment');

  const open = (): MediumDriver =>
    new MediumDriver(createFileMedium({ directory, segmentBytes, fileSystem }));

  const first = open();
  await first.start();
  const memory = await first.create(1);
  memory.bytes.fill(7, 0, 2 * PAGE);
  machine.failsNext = true;
  first.persist(memory, 0, 2 * PAGE);
  first.flush();
  await first.failure();
  await first.close();
  expect(first.persisted).toEqual([]);

  const second = open();
  await second.start();
  await second.close();
  const shown = fs.readFileSync(segmentFile);
  expect(
    shown.subarray(0, 2 * PAGE).every((byte) => byte === 7),
    'the cache shows it',
  ).toBe(true);
  machine.cutPower();
  expect(
    fs.readFileSync(segmentFile).every((byte) => byte === 0),
    'a sync alone saves nothing',
  ).toBe(true);

  fs.writeFileSync(segmentFile, shown);
  const third = open();
  await third.start();
  await third.harden(1, 100, PAGE + 100);
  await third.close();
  machine.cutPower();
  const saved = fs.readFileSync(segmentFile);
  expect(saved.subarray(0, 2 * PAGE).every((byte) => byte === 7)).toBe(true);
  expect(saved.subarray(2 * PAGE).every((byte) => byte === 0)).toBe(true);
});
