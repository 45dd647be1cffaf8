/** Aim: a status is printed as one JSON object, or the reason why there is none as one line with exit code 1. */

import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { helpText } from '../../src/cli/arguments.js';
import { AskError, readBulkReply } from '../../src/cli/ask.js';
import type { Output } from '../../src/cli/output.js';
import { run } from '../../src/cli/run.js';
import { fetchStatus } from '../../src/cli/status.js';
import { KeyValueStateMachine } from '../../src/kv/state-machine.js';
import { createLogger } from '../../src/logger.js';
import { Replica } from '../../src/replica.js';
import { freePorts } from './processes.js';

const report = {
  replica: 'a',
  role: 'primary',
  primary: 'a',
  ballot: '3.1',
  chosen: 7,
  applied: 7,
  stateDigest: 'xyz',
  storage: { kind: 'file', reason: 'asked for' },
  transport: { kind: 'tcp', reason: 'asked for' },
  peers: [{ id: 'b', connected: true, lag: 0 }],
  bytesCopied: 0,
  bytesLogged: 0,
};

const servers: Server[] = [];
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** A service that does as it is told with each connection. */
async function service(behave: (socket: Socket) => void): Promise<{ host: string; port: number }> {
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    // Unread, the other side's end would go unnoticed.
    socket.resume();
    behave(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { host: '127.0.0.1', port: address.port };
}

const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;

function capture(): Output & { lines: string[]; errors: string[] } {
  const lines: string[] = [];
  const errors: string[] = [];
  return {
    lines,
    errors,
    line: (text) => void lines.push(text),
    error: (text) => void errors.push(text),
    progress: () => {},
  };
}

describe('fetchStatus', () => {
  it('asks in RESP and reads the reply, in whatever pieces it comes', async () => {
    let asked = '';
    const address = await service((socket) => {
      socket.on('data', (chunk) => {
        asked += chunk.toString();
        const text = bulk(JSON.stringify({ ...report, note: 'ä' }));
        const bytes = Buffer.from(text);
        let at = 0;
        const next = (): void => {
          if (at < bytes.length) socket.write(bytes.subarray(at, at + 7), () => setImmediate(next));
          at += 7;
        };
        next();
      });
    });
    await expect(fetchStatus(address, 10_000)).resolves.toEqual({ ...report, note: 'ä' });
    expect(asked).toBe('*2\r\n$5\r\nSYNOD\r\n$6\r\nSTATUS\r\n');
  });

  it.each<[string, string, RegExp]>([
    ['an error', "-ERR unknown command 'SYNOD'\r\n", /refused: ERR unknown command/],
    ['another kind of reply', '+OK\r\n', /not a synod/],
    ['a null', '$-1\r\n', /not a synod/],
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n', /not a synod/],
    ['garbage without a line', 'x'.repeat(10_000), /not RESP/],
    ['a huge length', '$9999999\r\n', /too long/],
    ['text that is not JSON', bulk('hello'), /not JSON/],
    ['JSON that is no status', bulk('{"role":"primary"}'), /not a status/],
    ['a JSON null', bulk('null'), /not a status/],
  ])('refuses %s', async (_, reply, message) => {
    const address = await service((socket) => socket.end(reply));
    await expect(fetchStatus(address, 10_000)).rejects.toThrow(message);
  });

  it('refuses a connection that closes without a reply, and none at all', async () => {
    const closing = await service((socket) => socket.end());
    await expect(fetchStatus(closing, 10_000)).rejects.toThrow(/closed the connection/);
    const { port } = closing;
    await new Promise((resolve) => servers.splice(0)[0]!.close(resolve));
    await expect(fetchStatus({ host: '127.0.0.1', port }, 10_000)).rejects.toThrow(/ECONNREFUSED/);
  });

  it('gives up on one that says nothing', async () => {
    const address = await service(() => {});
    await expect(fetchStatus(address, 50)).rejects.toThrow(/no answer within 50 ms/);
  });
});

describe('readBulkReply', () => {
  it('tells why it was refused in the letters that it was told in', () => {
    const refusal = Buffer.from('-ERR no folder /srv/données\r\n');
    expect(() => readBulkReply(refusal)).toThrow('/srv/données');
  });

  it('waits for every byte and takes no more', () => {
    const whole = Buffer.from(bulk('hello'));
    for (let length = 0; length < whole.length; length += 1)
      expect(readBulkReply(whole.subarray(0, length))).toBeNull();
    expect(readBulkReply(Buffer.concat([whole, Buffer.from('+more')]))).toBe('hello');
    expect(() => readBulkReply(Buffer.alloc(2 * 1024 * 1024))).toThrow(AskError);
  });
});

describe('synod status', () => {
  it('prints one JSON object and succeeds', async () => {
    const { port } = await service((socket) => socket.end(bulk(JSON.stringify(report))));
    const output = capture();
    expect(await run(['status', '--port', String(port)], output)).toBe(0);
    expect(output.lines).toHaveLength(1);
    expect(JSON.parse(output.lines[0]!)).toEqual(report);
    expect(output.errors).toEqual([]);
  });

  it('prints one line and fails where there is no answer', async () => {
    const { port } = await service((socket) => socket.end());
    const output = capture();
    expect(await run(['status', '--port', String(port)], output)).toBe(1);
    expect(output.lines).toEqual([]);
    expect(output.errors).toEqual([`synod: no status from 127.0.0.1:${port}: it closed the connection`]);
  });

  it('exits with 2 where the configuration is wrong or missing', async () => {
    const output = capture();
    expect(await run(['status', '--config', '/nonexistent.json'], output)).toBe(2);
    expect(output.errors).toHaveLength(1);
    expect(output.errors[0]).toMatch(/cannot read \/nonexistent\.json.*ERR_SYNOD_OPTION/);
  });
});

describe('the help of synod status', () => {
  it('names every field of the answer', async () => {
    const replica = await Replica.open(
      {
        cluster: 'help',
        replica: 'a',
        listen: `127.0.0.1:${(await freePorts(1))[0]}`,
        storage: { kind: 'memory' },
        transport: { kind: 'tcp' },
        engine: 'inline',
        logger: createLogger({ level: 'fatal' }),
      },
      new KeyValueStateMachine(),
    );
    const fields = Object.keys(await replica.status());
    await replica.close();
    for (const field of fields) expect(helpText('status')).toMatch(new RegExp(`[\\s]${field}[,.]`));
  });
});

describe('run', () => {
  it('shows help and version with 0, mistakes with 2 and where to read on', async () => {
    const output = capture();
    expect(await run(['help'], output)).toBe(0);
    expect(await run(['--version'], output)).toBe(0);
    expect(output.lines[1]).toMatch(/^\d+\.\d+\.\d+/);
    expect(await run(['cluster', '--bogus'], output)).toBe(2);
    expect(output.errors).toEqual([
      expect.stringMatching(/^synod: .*--bogus.*\(see "synod help cluster"\)$/),
    ]);
  });

  it('says in one line what the system refuses', async () => {
    const output = capture();
    expect(await run(['cluster', '--dir', '/dev/null/data'], output)).toBe(1);
    expect(output.errors).toEqual([expect.stringMatching(/^synod: ENOTDIR: [^\n]*\/dev\/null\/data'$/)]);
  });
});
