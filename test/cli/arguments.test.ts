/** Aim: every command line is understood as its help says, or refused in one line that names what is wrong. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { helpText, parseCommandLine, UsageError } from '../../src/cli/arguments.js';

function refusal(...args: string[]): string {
  try {
    parseCommandLine(args);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    const { message } = error as UsageError;
    expect(message).not.toContain('\n');
    return message;
  }
  throw new Error(`was accepted: ${args.join(' ')}`);
}

describe('what is understood', () => {
  it('serve', () => {
    expect(parseCommandLine(['serve', '--config', 'a.json'])).toEqual({
      kind: 'serve',
      config: 'a.json',
      logLevel: 'info',
      stopWithStdin: false,
    });
    expect(
      parseCommandLine(['serve', '-c', 'a.json', '--log-level=debug', '--stop-with-stdin']),
    ).toMatchObject({
      logLevel: 'debug',
      stopWithStdin: true,
    });
  });

  it('cluster', () => {
    expect(parseCommandLine(['cluster'])).toEqual({
      kind: 'cluster',
      replicas: undefined,
      dir: 'data',
      storage: undefined,
      allowVolatile: undefined,
      transport: undefined,
      port: undefined,
      restart: false,
      logLevel: 'info',
    });
    const all =
      'cluster --replicas 5 --dir d --storage pmem --allow-volatile --transport tcp --port 9000 --restart';
    expect(parseCommandLine(all.split(' '))).toEqual({
      kind: 'cluster',
      replicas: 5,
      dir: 'd',
      storage: 'pmem',
      allowVolatile: true,
      transport: 'tcp',
      port: 9000,
      restart: true,
      logLevel: 'info',
    });
    expect(parseCommandLine(['cluster', '-n', '7', '-p', '1', '-d', 'x'])).toMatchObject({
      replicas: 7,
      port: 1,
      dir: 'x',
    });
  });

  it('status', () => {
    expect(parseCommandLine(['status', '--port', '6401'])).toEqual({
      kind: 'status',
      config: undefined,
      host: '127.0.0.1',
      port: 6401,
    });
    expect(parseCommandLine(['status', '-c', 'a.json'])).toMatchObject({ config: 'a.json', port: undefined });
    expect(parseCommandLine(['status', '--port', '1', '--host', 'db.example'])).toMatchObject({
      host: 'db.example',
    });
  });

  it.each([
    [['help'], undefined],
    [['--help'], undefined],
    [['-h'], undefined],
    [['help', 'serve'], 'serve'],
    [['serve', '--help'], 'serve'],
    [['cluster', '-h', '--port', '9000'], 'cluster'],
    [['status', '--help'], 'status'],
  ])('help: %j', (args, command) => {
    expect(parseCommandLine(args)).toEqual({ kind: 'help', command });
  });

  it.each([[['--version']], [['-V']], [['version']]])('version: %j', (args) => {
    expect(parseCommandLine(args)).toEqual({ kind: 'version' });
  });
});

describe('what is refused', () => {
  it.each<[string[], RegExp]>([
    [[], /which command/],
    [['start'], /no such command: start/],
    [['--port', '1'], /unknown option --port/],
    [['help', 'start'], /no such command: start/],
    [['help', 'constructor'], /no such command: constructor/],
    [['help', '__proto__'], /no such command: __proto__/],
    [['constructor'], /no such command: constructor/],
    [['serve'], /needs --config/],
    [['serve', '--config'], /--config/],
    [['serve', '--config', ''], /--config is empty/],
    [['serve', '--config', 'a', '--port', '1'], /--port/],
    [['serve', 'a.json'], /a\.json/],
    [['serve', '--config', 'a', '--log-level', 'loud'], /--log-level loud/],
    [['cluster', '--replicas', '0'], /--replicas 0: expected a number from 1 to 7/],
    [['cluster', '--replicas', '8'], /--replicas 8/],
    [['cluster', '--replicas', 'three'], /--replicas three/],
    [['cluster', '--replicas=-1'], /--replicas -1/],
    [['cluster', '--port', '65000'], /--port 65000/],
    [['cluster', '--port', '0'], /--port 0/],
    [['cluster', '--storage', 'disk'], /--storage disk: expected auto, memory, file, uring, pmem/],
    [['cluster', '--transport', 'memory'], /--transport memory/],
    [['cluster', '--dir', ''], /--dir is empty/],
    [['cluster', '--verbose'], /--verbose/],
    [['cluster', 'extra'], /extra/],
    [['status'], /either --config FILE or --port P/],
    [['status', '--config', 'a', '--port', '1'], /either/],
    [['status', '--config', 'a', '--host', 'h'], /--host goes with --port/],
    [['status', '--port', '65536'], /--port 65536/],
    [['status', '--port', '1e3'], /--port 1e3/],
  ])('%j', (args, message) => {
    expect(refusal(...args)).toMatch(message);
  });

  it('anything at all is understood or refused, never a crash', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom(
        'serve',
        'cluster',
        'status',
        'log',
        'dump',
        'checkpoint',
        'edit-members',
        'replay',
        'recover',
        'help',
        'member',
        'add',
        'd=h:1',
        'promote',
        '--config',
        '--port',
        '--dir',
        '-p',
        '--',
        '--replicas=3',
        '--slot=7',
        '--members=a,b=',
        '--out=x',
        '--state-machine=kv',
        '1',
        '__proto__',
      ),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 6 }), (args) => {
        try {
          expect(parseCommandLine(args).kind).toMatch(
            /^(serve|cluster|status|log|checkpoint|replay|recover|member|bootstrap|promote|relinquish|help|version)$/,
          );
        } catch (error) {
          expect(error).toBeInstanceOf(UsageError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});

/** Those that the general help names. */
const commands = [
  ...new Set(
    [...helpText().matchAll(/^ {2}synod ([a-z]+)(?:, ([a-z]+))?/gm)].flatMap(([, ...names]) =>
      names.filter((name) => name !== undefined),
    ),
  ),
];

describe('commands', () => {
  it('are all named where none is, or one that there is not', () => {
    expect(commands.length).toBeGreaterThan(10);
    for (const message of [refusal(), refusal('start')])
      for (const name of commands) expect(message).toContain(name);
    for (const name of commands)
      if (name !== 'help') expect(helpText(name)).toContain(`usage: synod ${name}`);
  });
});

describe('help', () => {
  it('names every option of a command', () => {
    const options: Record<string, string[]> = {
      serve: ['--config', '--log-level', '--stop-with-stdin'],
      cluster: [
        '--replicas',
        '--dir',
        '--storage',
        '--allow-volatile',
        '--transport',
        '--port',
        '--restart',
        '--log-level',
      ],
      status: ['--config', '--port', '--host'],
      member: ['--config', '--port', '--host', '--force', '--timeout-ms', '--json'],
      bootstrap: ['--config', '--port', '--host', '--timeout-ms', '--json'],
      promote: ['--config', '--port', '--host', '--force', '--timeout-ms', '--json'],
      relinquish: ['--config', '--port', '--host', '--to', '--timeout-ms', '--json'],
      protocol: ['--config', '--port', '--host', '--timeout-ms', '--json'],
      log: ['--dir', '--config', '--from', '--to', '--json'],
      checkpoint: ['--dir', '--slot', '--members', '--out', '--json'],
      replay: ['--dir', '--state-machine', '--to', '--write-checkpoint', '--json'],
      recover: ['--dir', '--accept-data-loss', '--json'],
    };
    expect(Object.keys(options).sort()).toEqual(commands.filter((name) => name !== 'help').sort());
    for (const [command, names] of Object.entries(options))
      for (const name of names) expect(helpText(command), command).toContain(`${name} `);
  });

  it('fits a terminal', () => {
    for (const command of [undefined, ...commands])
      expect(
        Math.max(
          ...helpText(command)
            .split('\n')
            .map(({ length }) => length),
        ),
        command,
      ).toBeLessThanOrEqual(115);
  });
});
