/** An answer about another promise counts for nothing: neither does the cookie that comes with it (docs/protocol.md, "Leave of the application"). */

import { expect, it } from 'vitest';
import { b, Scene } from './harness.js';

it('the answer to a question that was asked under another promise does not count any more', () => {
  const scene = new Scene({ options: { asksToLead: true } });
  scene.wait(300);
  expect(scene.replica.askedToLead).toBe(1);
  scene.receive(3, { kind: 'prepare', ballot: b(1, 3), from: 1 });
  // The engine tells the cookie where this is the number of the question that is answered (engine-leadership.ts, `may-lead`).
  expect(scene.replica.askedToLead).toBe(0);
});
