/** What a primary of a configuration that has ended claimed does not drown what one of the next says under a lower ballot. */

import { expect, it } from 'vitest';
import { b, configurationDecree, configurationOf, decree, incarnationOf, Scene } from './harness.js';

it('a member of both sets believes the primary of the new one', () => {
  const first = configurationOf(5);
  const newcomers = ['f', 'g'].map((id, at) => ({ id, number: 6 + at, incarnation: incarnationOf(id) }));
  const next = { number: 2, members: [first.members[4]!, ...newcomers], nextMember: 8 };
  const e = new Scene({ id: 'e', size: 5 });
  // b was elected under 9.2 by b, c and d, which accepted the configuration under 5.1 and do not know that a had it chosen. e hears b once.
  e.receive(2, { kind: 'heartbeat', ballot: b(9, 2), chosen: 0, round: 1 });
  e.receive(1, { kind: 'learn', slot: 1, ballot: b(5, 1), decree: configurationDecree(next) });
  expect(e.replica.self).toBe(5);
  // f learned it from a, too: its first ballot is above 5.1.
  e.feedAll({ kind: 'peer-down', peer: 2 }, { kind: 'peer-up', peer: 6 }, { kind: 'peer-up', peer: 7 });
  e.receive(6, { kind: 'accept', ballot: b(6, 6), slot: 2, chosen: 1, decree: decree('x') });
  e.durable();
  e.receive(6, { kind: 'heartbeat', ballot: b(6, 6), chosen: 2, round: 1 });
  expect(e.replica.chosen).toBe(2);
});
