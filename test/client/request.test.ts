/** Aim: what waits at a client takes about as much memory as its bounds count. Method: requests, without a connection. */

import { expect, it } from 'vitest';
import { CommandBatch } from '../../src/client/index.js';
import { Request } from '../../src/client/request.js';

it('a request takes little more memory than its commands, be they few or many', () => {
  const request = new Request();
  request.add(new Uint8Array(1));
  expect(request.bytes.length).toBeLessThanOrEqual(256);
  for (let commands = 2; commands <= 5000; commands += 1) {
    request.add(new Uint8Array(10));
    expect(request.bytes.length).toBeLessThanOrEqual(Math.max(256, 4 * request.end));
  }
  const batch = new CommandBatch();
  batch.add(new Uint8Array(100_000));
  const other = new Request();
  other.addBatch(batch);
  expect(other.bytes.length).toBe(other.end);
});
