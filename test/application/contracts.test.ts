/** The contracts of the application's side bite: each is broken on purpose, by a state that cannot be. */

import { expect, it } from 'vitest';
import { BatchWaiter } from '../../src/application/batch.js';
import { CommandWriter } from '../../src/application/command-writer.js';
import { Executor } from '../../src/application/executor.js';
import { MemoryMap, memoryOf } from '../../src/application/memory-map.js';
import { BlockState, Bridge, GROUP_HEADER_BYTES } from '../../src/engine/bridge.js';
import { writeGroupHeader } from '../../src/engine/group.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { contractOf } from '../protocol/harness.js';
import { Recorder } from './support.js';

interface Writing {
  readonly bridge: Bridge;
  readonly writer: CommandWriter;
  readonly endBurst: () => void;
}

/** In the middle of a burst of one command. */
function writing(): Writing {
  const bridge = new Bridge();
  let end = (): void => {};
  const writer = new CommandWriter({
    bridge,
    blockBytes: 64,
    batchBytesTarget: 2048,
    batchCommandsMax: 50,
    chunkBytes: 65_536,
    memory: () => memoryOf(new Uint8Array(65_536)),
    onChunk: () => {},
    wakeEngine: () => {},
    onBurst: (call) => {
      end = call;
    },
  });
  writer.write(new Uint8Array(3));
  return { bridge, writer, endBurst: () => end() };
}

function executorOf(bridge: Bridge, memory: Uint8Array): Executor<string> {
  return new Executor({
    bridge,
    stateMachine: new Recorder(),
    memory: () => memoryOf(memory),
    reply: () => {},
    settle: () => {},
    wakeEngine: () => {},
  });
}

const trips: readonly (readonly [contract: string, how: string, action: () => unknown])[] = [
  [
    'each-command-settled-once',
    'a second result for the only command of a batch',
    () => {
      const waiter = new BatchWaiter<number>(1, 1, 64, { resolve: () => {}, reject: () => {} });
      waiter.resolve(1, 1);
      waiter.resolve(1, 1);
    },
  ],
  [
    'burst-ended-or-revoked',
    'a block that was set free in the middle of a burst',
    () => {
      const { bridge, endBurst } = writing();
      bridge.setBlockState(0, BlockState.free);
      endBurst();
    },
  ],
  [
    'block-for-a-revoked-batch',
    'the block to move to is taken',
    () => {
      const { bridge, endBurst } = writing();
      bridge.setBlockState(0, BlockState.revoked);
      bridge.setBlockState(1, BlockState.sealed);
      endBurst();
    },
  ],
  [
    'memory-told-before-used',
    'a segment that nobody told of',
    () => new MemoryMap(65_536, { map: () => new Uint8Array(65_536), unmap: () => {} }, () => {}).get(3),
  ],
  [
    'outcomes-in-order',
    'more commands have an outcome than were given',
    () => {
      const memory = new Uint8Array(1024);
      const bridge = new Bridge();
      bridge.self = 2;
      bridge.session = 7;
      bridge.resolved = 9;
      writeGroupHeader(memory, 0, 2, 1, 7, 1, 4);
      bridge.deliver(1, 0, 0, GROUP_HEADER_BYTES + 4, 1, DecreeKind.commands);
      executorOf(bridge, memory).run();
    },
  ],
  [
    'restored-forward',
    'a checkpoint of what was executed already',
    () => {
      const bridge = new Bridge();
      bridge.applied = 4;
      executorOf(bridge, new Uint8Array(64)).restored(4, []);
    },
  ],
];

it.each(trips)('%s: %s', (contract, _, action) => {
  expect(contractOf(action)).toBe(contract);
});
