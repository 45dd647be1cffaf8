/**
 * What is said and done where the kernel refuses io_uring, as it does in most containers: a filter in front of its
 * system calls, put there by native/test/deny_io_uring.cc. Needs a C++ compiler, as building the addon does.
 */

import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { probeUring } from '../../src/native/uring-probe.js';
import { makeScratch } from '../storage/driver.js';

const compiler = ['c++', 'g++', 'clang++'].find(
  (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
);
const { obstacle } = probeUring('sockets');
const cannot = compiler === undefined ? 'there is no C++ compiler' : obstacle;

if (cannot !== null) {
  test('io_uring denied is not tested', () => {
    console.log(`io_uring denied is not tested: ${cannot}`);
    expect(cannot).not.toBe('');
  });
}

describe.runIf(cannot === null)('io_uring denied', () => {
  let scratch = { path: '', dispose: (): void => {} };
  let launcher = '';
  const dist = pathToFileURL(path.resolve('dist')).href;

  beforeAll(() => {
    scratch = makeScratch();
    launcher = path.join(scratch.path, 'deny_io_uring');
    execFileSync(compiler!, ['-O1', '-o', launcher, path.resolve('native/test/deny_io_uring.cc')]);
  });
  afterAll(() => scratch.dispose());

  const EPERM = 1;
  const ENOMEM = 12;
  const ENOSYS = 38;

  /** Runs `code`, a module, with every call of io_uring answered by `errno`; what it prints is JSON. */
  function run(errno: number, code: string, environment: Record<string, string> = {}): unknown {
    const { stdout, stderr, status } = spawnSync(
      launcher,
      [String(errno), process.execPath, '--input-type=module', '-e', code],
      { encoding: 'utf8', timeout: 60_000, env: { ...process.env, ...environment } },
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return JSON.parse(stdout);
  }

  const openAll = `
    import { openTransport } from '${dist}/transport/open-transport.js';
    import { createUringMedium, probeUring } from '${dist}/storage/uring/uring-medium.js';
    const attempt = (call) => {
      try {
        const { kind, reason } = call();
        return { kind, reason };
      } catch ({ code, message }) {
        return { code, message };
      }
    };
    console.log(JSON.stringify({
      auto: attempt(() => openTransport({ kind: 'auto' })),
      uring: attempt(() => openTransport({ kind: 'uring' })),
      medium: attempt(() => createUringMedium({ directory: '/tmp/none', segmentBytes: 65536 })),
      probe: probeUring(),
    }));`;

  test.each([
    [EPERM, /^io_uring_setup says EPERM: most likely a seccomp filter, .*io_uring_disabled is 0/],
    [ENOSYS, /^io_uring_setup says ENOSYS: Linux [0-9.]+.* was built without io_uring, or a seccomp filter/],
    [ENOMEM, /^io_uring_setup says ENOMEM: not enough lockable memory \(limit of locked memory: [0-9a-z]+/],
  ])('errno %i: auto falls back and says why, by name it is refused', (errno, cause) => {
    const found = run(errno, openAll) as {
      auto: { kind: string; reason: string };
      uring: { code: string; message: string };
      medium: { code: string; message: string };
      probe: string;
    };
    expect(found.probe).toMatch(cause);
    expect(found.auto.kind).toBe('tcp');
    expect(found.auto.reason).toBe(`tcp: io_uring is not to be had (${found.probe})`);
    expect(found.uring).toEqual({
      code: 'ERR_SYNOD_TRANSPORT_UNAVAILABLE',
      message: `transport uring: ${found.probe}`,
    });
    expect(found.medium).toEqual({
      code: 'ERR_SYNOD_STORAGE_UNAVAILABLE',
      message: `storage kind uring: ${found.probe}`,
    });
  });

  test('SYNOD_NATIVE=1 demands the addon, not io_uring: auto still falls back', () => {
    const found = run(EPERM, openAll, { SYNOD_NATIVE: '1' }) as { auto: { kind: string } };
    expect(found.auto.kind).toBe('tcp');
  });

  test('a listener and a connection work on what auto took', () => {
    const code = `
      import { openTransport } from '${dist}/transport/open-transport.js';
      const transport = openTransport({ kind: 'auto' });
      let bytes = 0;
      const handler = {
        onConnection(connection) {
          if (connection.inbound) return;
          connection.send(new Uint8Array(100), 100);
          transport.flush();
        },
        onConnectFailed(token, error) { throw error; },
        onReceived(connection, received, start, end, lease) {
          bytes += end - start;
          connection.release(lease);
          if (bytes === 100) transport.close(() => console.log(JSON.stringify({ bytes })));
        },
        onPayloadsSent() {}, onClosed() {}, onTurnEnd() {},
      };
      transport.listen(handler, { host: '127.0.0.1', port: 0 }, (error, bound) => {
        if (error) throw error;
        transport.connect(bound, 1, 5000);
      });`;
    expect(run(ENOSYS, code)).toEqual({ bytes: 100 });
  });
});
