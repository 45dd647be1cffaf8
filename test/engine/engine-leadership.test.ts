/** Aim: answers of the application about leading, as the engine passes them on. Method: the real protocol, a peer that notes what it is sent. */

import { expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { EngineLeadership, type EngineLeadershipOptions } from '../../src/engine/engine-leadership.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { Scene } from '../protocol/harness.js';

it('an answer that comes when another question is open is told to nobody: a cookie that changes costs the primary its votes', () => {
  const scene = new Scene({ options: { asksToLead: true } });
  let sent = 0;
  const link = { number: 2, peer: { id: 'b' }, sending: [], connection: { send: () => (sent += 1) } };
  const leadership = new EngineLeadership({
    core: scene.replica,
    peers: { link: () => link },
    writer: new FrameWriter(crc32c),
    parts: {
      crc32c,
      now: () => scene.now,
      emit: () => {},
      options: { electionTimeoutMs: 300, leadership: { priority: 1, asksToVote: false } },
    },
  } as unknown as EngineLeadershipOptions);
  leadership.votes.onPeer('peer-up', 2);
  const answer = (request: number) =>
    leadership.take({ kind: 'may-lead', request, may: true, cookie: Buffer.from(`cookie ${request}`) });
  expect(scene.wait(300)).toEqual(['ask-to-lead 1']);
  // The application has had its time, and is asked again.
  expect(scene.wait(450)).toEqual(['ask-to-lead 2']);
  answer(1);
  expect(sent).toBe(0);
  answer(2);
  expect(sent).toBe(1);
  expect(scene.role).toBe('candidate');
  answer(1);
  answer(2);
  expect(sent, 'it stands already').toBe(1);
});
