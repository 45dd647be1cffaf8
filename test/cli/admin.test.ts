/** Aim: what has a running replica do something is understood as its help says, and its exit code tells what became of it. */

import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { parseCommandLine, UsageError } from '../../src/cli/arguments.js';
import type { Output } from '../../src/cli/output.js';
import { run } from '../../src/cli/run.js';

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A service that answers every request in the same way, and what it was asked. */
async function service(
  reply: string | null,
  delayMs: number = 0,
): Promise<{ port: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      asked.push(chunk.toString());
      if (reply === null) socket.destroy();
      else if (delayMs === 0) socket.write(reply);
      else setTimeout(() => socket.write(reply), delayMs);
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { port: String((server.address() as { port: number }).port), asked };
}

async function call(...args: string[]): Promise<{ code: number; lines: string[]; errors: string[] }> {
  const lines: string[] = [];
  const errors: string[] = [];
  const output: Output = {
    line: (text) => void lines.push(text),
    error: (text) => void errors.push(text),
    progress: () => {},
  };
  return { code: await run(args, output), lines, errors };
}

const bulk = (value: object): string => {
  const text = JSON.stringify(value);
  return `$${text.length}\r\n${text}\r\n`;
};

describe('the command line', () => {
  it.each([
    ['member list -p 1', 'MEMBERS'],
    ['member add d=h:4 -p 1', 'MEMBER ADD d h:4'],
    ['member add d=[::1]:4 --force -p 1', 'MEMBER ADD d [::1]:4 FORCE'],
    ['member remove d -p 1', 'MEMBER REMOVE d'],
    ['member remove -p 1 d --force', 'MEMBER REMOVE d FORCE'],
    ['member replace b d=h:4 -p 1', 'MEMBER REPLACE b d h:4'],
    ['bootstrap a=h:1 b=h:2 -p 1', 'BOOTSTRAP a h:1 b h:2'],
    ['promote -p 1', 'PROMOTE'],
    ['promote --force -p 1', 'PROMOTE FORCE'],
    ['relinquish -p 1', 'RELINQUISH'],
    ['relinquish --to b -p 1', 'RELINQUISH b'],
    ['protocol show -p 1', 'VERSION'],
    ['protocol raise -p 1', 'VERSION RAISE'],
    ['protocol raise 2 -p 1', 'VERSION RAISE 2'],
  ])('%s', (text, words) => {
    expect(parseCommandLine(text.split(' '))).toMatchObject({
      words: words.split(' '),
      port: 1,
      host: '127.0.0.1',
      timeoutMs: 60_000,
      json: false,
    });
  });

  it.each([
    ['member -p 1', /list, add, remove or replace/],
    ['member grow -p 1', /no such command: member grow/],
    ['member constructor -p 1', /no such command/],
    ['member add -p 1', /expected ID=HOST:PORT/],
    ['member add d -p 1', /d: expected ID=HOST:PORT/],
    ['member add =h:1 -p 1', /expected ID=HOST:PORT/],
    ['member add d= -p 1', /expected ID=HOST:PORT/],
    ['member remove -p 1', /expected ID/],
    ['member list b -p 1', /nothing more/],
    ['member list --force -p 1', /--force/],
    ['member remove b', /--config FILE or --port P/],
    ['member remove b -p 1 -c f', /--config FILE or --port P/],
    ['member remove b -c f --host h', /--host goes with --port/],
    ['member remove b -p 0', /--port 0/],
    ['member remove b -p 1 --timeout-ms x', /--timeout-ms x/],
    ['member remove b -p 1 --to c', /--to/],
    ['bootstrap -p 1', /once for each member/],
    ['bootstrap a=h:1 b -p 1', /b: expected ID=HOST:PORT/],
    ['promote b -p 1', /unexpected argument b/],
    ['relinquish --force -p 1', /--force/],
    ['relinquish --to= -p 1', /--to is empty/],
    ['protocol -p 1', /show or raise/],
    ['protocol lower -p 1', /no such command: protocol lower/],
    ['protocol show 2 -p 1', /nothing more/],
    ['protocol raise 2 3 -p 1', /\[VERSION\]/],
    ['protocol raise x -p 1', /x: expected a version/],
  ])('%s is refused', (text, message) => {
    expect(() => parseCommandLine(text.split(' '))).toThrow(UsageError);
    expect(() => parseCommandLine(text.split(' '))).toThrow(message);
  });
});

describe('a change', () => {
  it('is asked for in one request, and its outcome shown', async () => {
    const answer = { number: 5, members: [{ id: 'a', address: 'h:1' }], changed: true };
    const { port, asked } = await service(bulk(answer));
    const shown = await call('member', 'remove', 'b', '--port', port);
    expect(shown).toEqual({ code: 0, lines: ['member set 5\n  a h:1'], errors: [] });
    expect(asked).toEqual(['*4\r\n$5\r\nSYNOD\r\n$6\r\nMEMBER\r\n$6\r\nREMOVE\r\n$1\r\nb\r\n']);
    const { lines } = await call('member', 'remove', 'b', '--port', port, '--json');
    expect(JSON.parse(lines[0]!)).toEqual(answer);
  });

  it('that waits for all members does so in the replica as long as was asked', async () => {
    const answer = { number: 1, members: [{ id: 'a', address: 'h:1' }], changed: true };
    const { port, asked } = await service(bulk(answer));
    await call('bootstrap', 'a=h:1', '--port', port, '--timeout-ms', '120000');
    await call('bootstrap', 'a=h:1', '--port', port);
    const words = (timeoutMs: string): string =>
      ['*6', '$5', 'SYNOD', '$9', 'BOOTSTRAP', '$1', 'a', '$3', 'h:1']
        .concat('$7', 'TIMEOUT', `$${timeoutMs.length}`, timeoutMs, '')
        .join('\r\n');
    expect(asked).toEqual([words('120000'), words('60000')]);
  });

  it('that waits for all members is told of by the replica, before the command line gives up', async () => {
    const reply = '-UNKNOWN not in time: not connected: c (ERR_SYNOD_BOOTSTRAP_FAILED)\r\n';
    const { port } = await service(reply, 150);
    const { code, errors } = await call('bootstrap', 'a=h:1', '--port', port, '--timeout-ms', '100');
    expect(code).toBe(3);
    expect(errors[0]).toContain('not connected: c');
  });

  it('of who leads names the primary', async () => {
    const { port } = await service(bulk({ primary: 'b' }));
    expect(await call('relinquish', '--port', port)).toMatchObject({ code: 0, lines: ['b is the primary'] });
  });

  it('of the version shows what is in force, and who speaks what', async () => {
    const { port } = await service(bulk({ version: 2, builds: { a: 2, b: null } }));
    expect(await call('protocol', 'raise', '--port', port)).toMatchObject({
      code: 0,
      lines: ['version 2 of the protocol is in force\n  a speaks up to 2\n  b is not connected'],
    });
  });

  it('that was refused ends with 1 and the reason', async () => {
    const { port } = await service('-ERR the primary is "c" (ERR_SYNOD_NOT_PRIMARY)\r\n');
    expect(await call('member', 'remove', 'b', '--port', port)).toEqual({
      code: 1,
      lines: [],
      errors: ['synod: the primary is "c" (ERR_SYNOD_NOT_PRIMARY)'],
    });
  });

  it('that was never sent ends with 1', async () => {
    const { port } = await service(null);
    await new Promise((resolve) => servers.splice(0)[0]!.close(resolve));
    expect((await call('member', 'remove', 'b', '--port', port)).code).toBe(1);
  });

  it.each([
    ['-UNKNOWN the replica was closed (ERR_SYNOD_CLOSED)\r\n', 'the replica was closed'],
    [null, 'it closed the connection'],
    ['', 'no answer within 200 ms'],
  ])('with an answer %j may have been made, and ends with 3', async (reply, reason) => {
    const { port } = await service(reply);
    const { code, errors } = await call('member', 'remove', 'b', '--port', port, '--timeout-ms', '200');
    expect(code).toBe(3);
    expect(errors[0]).toMatch(/^synod: it is unknown whether it was done: /);
    expect(errors[0]).toContain(reason);
    // A question changes nothing.
    expect((await call('member', 'list', '--port', port, '--timeout-ms', '200')).code).toBe(1);
  });
});
