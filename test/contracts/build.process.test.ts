/** A build without contracts: none is in it, what a peer owes is, and a replica runs from it. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bytesOf, freePorts, Recorder, silentLogger } from '../application/support.js';
import { findContracts } from './finder.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Below the project, where its dependencies are found; `dist.*` is no part of it. */
let folder: string;
let made: string;

const build = (...options: string[]): string =>
  execFileSync(process.execPath, [path.join(root, 'scripts/build.mjs'), ...options, '--out', made], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });

beforeAll(() => {
  folder = mkdtempSync(path.join(root, 'dist.test-'));
  made = path.join(folder, 'made');
  build('--without-contracts');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('has no call of a contract, and says so', () => {
  const texts = readdirSync(made, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js') && file !== 'contracts.js')
    .map((file) => readFileSync(path.join(made, file), 'utf8'))
    .join('\n');
  expect(texts.match(/\b(requires|ensures|invariant)\(/g)).toBeNull();
  const left = findContracts(root).contracts.filter(({ name }) => texts.includes(`'${name}'`));
  expect(left.length).toBeGreaterThan(5);
  expect(left.filter(({ kinds }) => !kinds.includes('a peer owes'))).toEqual([]);
  expect(readFileSync(path.join(made, 'contracts.js'), 'utf8')).toContain('hasContracts = false;');
});

it('commits commands', async () => {
  const index = pathToFileURL(path.join(made, 'index.js')).href;
  const { Replica } = (await import(index)) as typeof import('../../src/index.js');
  const [port] = await freePorts(1);
  const stateMachine = new Recorder();
  const replica = await Replica.open(
    {
      cluster: 'c',
      replica: 'a',
      members: [{ id: 'a', address: `127.0.0.1:${port}` }],
      storage: { kind: 'memory', segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
      engine: 'inline',
      logger: silentLogger,
    },
    stateMachine,
  );
  expect(await replica.replicate(bytesOf('one'))).toBe('1:one');
  await replica.close();
});

it('is not taken for one with contracts', () => {
  const contracts = path.join(made, 'contracts.js');
  const before = statSync(contracts).ino;
  build('--if-stale', '--without-contracts');
  expect(statSync(contracts).ino).toBe(before);
  build('--if-stale');
  expect(readFileSync(contracts, 'utf8')).toContain('hasContracts = true;');
});
