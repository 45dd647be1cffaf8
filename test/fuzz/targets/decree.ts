/** A chosen decree's payload, as the application's side takes it apart: each command once, or an error. */

import { Executor } from '../../../src/application/executor.js';
import { memoryOf } from '../../../src/application/memory-map.js';
import { Bridge, GROUP_HEADER_BYTES } from '../../../src/engine/bridge.js';
import { writeGroupHeader } from '../../../src/engine/group.js';
import { SynodError } from '../../../src/errors.js';
import { DecreeKind } from '../../../src/protocol/decree.js';
import type { Decree } from '../../../src/state-machine.js';
import type { Random } from '../random.js';
import { type FuzzTarget, join, must, viewOf } from '../target.js';

const SELF = 2;
const SESSION = 7;

function group(origin: number, session: number, first: number, ...commands: number[]): Uint8Array {
  const bytes = commands.reduce((sum, length) => sum + 4 + length, 0);
  const whole = new Uint8Array(GROUP_HEADER_BYTES + bytes);
  writeGroupHeader(whole, 0, origin, commands.length, session, first, bytes);
  let at = GROUP_HEADER_BYTES;
  for (const length of commands) {
    viewOf(whole).setUint32(at, length, true);
    whole.fill(at, at + 4, at + 4 + length);
    at += 4 + length;
  }
  return whole;
}

/** Lengths and counts are made to fit, most of the time. */
function repairGroups(payload: Uint8Array, random: Random): Uint8Array {
  const view = viewOf(payload);
  for (let at = 0; at + GROUP_HEADER_BYTES <= payload.length; ) {
    const left = payload.length - at - GROUP_HEADER_BYTES;
    let bytes = view.getUint32(at + 24, true);
    if (bytes > left && random.chance(0.9)) bytes = left;
    view.setUint32(at + 24, bytes, true);
    if (random.chance(0.8)) view.setUint32(at, random.pick([1, SELF, 3]), true);
    if (random.chance(0.8)) view.setBigUint64(at + 8, BigInt(random.pick([SESSION, 1, 8])), true);
    let count = 0;
    let cursor = at + GROUP_HEADER_BYTES;
    const end = cursor + bytes;
    while (cursor + 4 <= end && end <= payload.length) {
      let length = view.getUint32(cursor, true);
      if (cursor + 4 + length > end) length = random.chance(0.9) ? end - cursor - 4 : length;
      view.setUint32(cursor, length, true);
      cursor += 4 + length;
      count += 1;
    }
    if (random.chance(0.9)) view.setUint32(at + 4, count, true);
    at += GROUP_HEADER_BYTES + bytes;
  }
  return payload;
}

export const decree: FuzzTarget = {
  name: 'decree',
  about: 'commands of a decree lie within it, own replies find their caller, else an error',
  inputBytesMax: 4096,
  guides: ['/src/application/', '/src/engine/group', '/src/protocol/sessions'],
  memoryBytesMax: 4 * 1024 * 1024,
  seeds: () => [
    join([group(1, 1, 1, 3, 0), group(SELF, SESSION, 1, 1, 2, 3)]),
    join([group(SELF, SESSION, 1, 5), group(SELF, SESSION, 2, 1, 1), group(3, 4, 1, 0)]),
  ],
  repair: repairGroups,
  run(input, trace) {
    const bridge = new Bridge(sharedBridge());
    bridge.self = SELF;
    bridge.session = SESSION;
    // What lies around the decree in the log's memory belongs to others.
    const around = new Uint8Array(64 + input.length + 8).fill(0xee);
    around.set(input, 64);
    const end = 64 + input.length;
    let commands = 0;
    const replied: number[] = [];
    const executor = new Executor<number>({
      bridge,
      stateMachine: {
        apply(view: Decree<number>): void {
          let before = 64;
          for (let index = 0; index < view.count; index++) {
            must(view.start(index) >= before && view.start(index) <= view.end(index), 'commands overlap');
            must(view.end(index) <= end, 'a command goes on behind the decree');
            before = view.end(index);
            commands += 1;
            view.reply(index, index);
          }
        },
      },
      memory: () => memoryOf(around),
      reply: (sequence) => void replied.push(sequence),
      settle: () => {},
      wakeEngine: () => {},
    });
    try {
      for (const slot of [1, 2]) {
        bridge.deliver(slot, 0, 64, input.length, 1, DecreeKind.commands);
        executor.run();
        if (slot === 1) {
          trace(`commands ${Math.min(5, commands)} replies ${Math.min(3, replied.length)}`);
          must(
            replied.every((sequence, index) => index === 0 || sequence === replied[index - 1]! + 1),
            'replies out of order',
          );
          must(bridge.resolved === (replied.at(-1) ?? 0), 'resolved is another than what was replied to');
        }
      }
    } catch (error) {
      if (!SynodError.is(error) || error.code !== 'ERR_SYNOD_LOG_CORRUPT') throw error;
      trace(error.code);
    }
  },
};

let buffer: SharedArrayBuffer | null = null;

/** One for all runs, zeroed: a new one for each would be most of the work. */
function sharedBridge(): SharedArrayBuffer {
  buffer ??= new Bridge().buffer;
  new Uint8Array(buffer).fill(0);
  return buffer;
}
