/** Aim: a configuration file is either right as a whole, or refused with its name and the path of the mistake. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { helpText } from '../../src/cli/arguments.js';
import { parseConfig, readConfigFile, serviceOptions } from '../../src/cli/config-file.js';
import { SynodError } from '../../src/errors.js';

const config = {
  cluster: 'demo',
  replica: 'a',
  members: [
    { id: 'a', address: '127.0.0.1:7101' },
    { id: 'b', address: '127.0.0.1:7102' },
  ],
  dataDir: 'data/a',
  storage: { kind: 'auto' },
  transport: { kind: 'auto' },
  kv: { listen: '127.0.0.1:6401' },
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'synod-config-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function refusal(text: string): SynodError {
  try {
    parseConfig(text, 'a.json');
  } catch (error) {
    expect(SynodError.is(error) && error.code === 'ERR_SYNOD_OPTION').toBe(true);
    expect((error as SynodError).message).toContain('a.json');
    expect((error as SynodError).message).not.toContain('wrong options');
    return error as SynodError;
  }
  throw new Error(`was accepted: ${text}`);
}

describe('a configuration file', () => {
  it('gives options without the part that is for the service', () => {
    const { options, kv } = parseConfig(JSON.stringify(config), 'a.json');
    expect(kv.listen).toEqual({ host: '127.0.0.1', port: 6401 });
    const { kv: _, ...rest } = config;
    expect(options).toEqual(rest);
  });

  it('may begin with a byte order mark', () => {
    expect(parseConfig(`\ufeff${JSON.stringify(config)}`, 'a.json').options.cluster).toBe('demo');
  });

  it('is the example of the help text', () => {
    const example = /\n( {2}\{ "cluster".*\})\n/s.exec(helpText('serve'))![1]!;
    expect(parseConfig(example, 'example').options.members).toHaveLength(3);
  });

  it.each<[unknown, string | undefined]>([
    [{ ...config, kv: undefined }, 'kv'],
    [{ ...config, kv: {} }, 'kv.listen'],
    [{ ...config, kv: { listen: 'nowhere' } }, 'kv.listen'],
    [{ ...config, kv: { listen: '127.0.0.1:6401', port: 1 } }, 'kv.port'],
    [{ ...config, kv: [] }, 'kv'],
    [{ ...config, replica: 'c' }, 'replica'],
    [{ ...config, members: [{ id: 'a', address: 'x' }] }, 'members[0].address'],
    [{ ...config, dataDir: undefined }, 'dataDir'],
    [{ ...config, datadir: 'x' }, 'datadir'],
    [{ ...config, logger: {} }, 'logger'],
    [[config], 'options'],
    [null, 'options'],
    [7, 'options'],
  ])('%j is refused', (value, path) => {
    expect(refusal(JSON.stringify(value)).path).toBe(path);
  });

  it('is refused with all its mistakes at once', () => {
    const { message, path } = refusal('{"a":1,"logger":{},"kv":{"listen":"nowhere"}}');
    for (const each of ['kv.listen', 'a', 'cluster', 'replica', 'dataDir', 'logger'])
      expect(message).toMatch(new RegExp(`[ ;]${each}: expected`));
    expect(message.match(/logger: expected/g)).toHaveLength(1);
    expect(path).toBe('logger');
    expect(refusal('{"a":1}').message).toMatch(/kv: expected an object.* a: expected.*cluster: expected/);
  });

  it('says what the service has to know of the replica', () => {
    const service = (more: object) =>
      serviceOptions(parseConfig(JSON.stringify({ ...config, ...more }), 'a'));
    expect(service({})).toMatchObject({ administration: 'loopback', leases: false });
    expect(service({ leases: { clockDriftMax: 0.01 }, limits: { commandBytesMax: 4096 } })).toMatchObject({
      leases: true,
      commandBytesMax: 4096,
    });
    expect(service({ kv: { ...config.kv, administration: 'none' } }).administration).toBe('none');
  });

  it.each(['', '{', "{'cluster': 'demo'}", '{"cluster": "demo",}'])('%j is refused as not JSON', (text) => {
    expect(refusal(text).message).toContain('is not JSON');
  });

  it('of any content is taken or refused with the typed error', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        refusal(text);
      }),
      { numRuns: 500 },
    );
  });

  it('is read from a path, or refused with the reason', async () => {
    const path = join(folder, 'a.json');
    await writeFile(path, JSON.stringify(config));
    expect((await readConfigFile(path)).options.replica).toBe('a');
    await expect(readConfigFile(join(folder, 'none.json'))).rejects.toMatchObject({
      code: 'ERR_SYNOD_OPTION',
      message: expect.stringContaining('ENOENT'),
    });
    await expect(readConfigFile(folder)).rejects.toMatchObject({ code: 'ERR_SYNOD_OPTION' });
    await writeFile(path, `"${'x'.repeat(1024 * 1024)}"`);
    await expect(readConfigFile(path)).rejects.toMatchObject({
      message: expect.stringContaining('longer than'),
    });
  });
});
