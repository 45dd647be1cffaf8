/**
 * A replica on persistent memory whose power is going to be cut. Run in a virtual machine by `power-cuts.ts`:
 *
 *     node power-cut-replica.js DIRECTORY SEED CUT_AFTER
 *
 * Checks the commands that the log has, says how many there are, then adds more and says, line by line, up to which all are
 * acknowledged. After CUT_AFTER of them it asks for the cut, and writes on. With 0 it only checks.
 */

import { setTimeout } from 'node:timers/promises';
import { createLogger } from '../../src/logger.js';
import { Replica } from '../../src/replica.js';
import type { Decree, StateMachine } from '../../src/state-machine.js';
import { Random } from '../properties/random.js';

/** What `power-cuts.ts` waits for. */
export const CUT_REQUEST = 'cut the power';

const COMMAND_BYTES_MAX = 24_000;
const OUTSTANDING_MAX = 16;
const HEADER_BYTES = 8;

/** Serial number, length, then bytes that follow from both. */
function makeCommand(serial: number, length: number): Uint8Array {
  const command = new Uint8Array(length);
  const view = new DataView(command.buffer);
  view.setUint32(0, serial, true);
  view.setUint32(4, length, true);
  for (let at = HEADER_BYTES; at < length; at += 1) command[at] = (serial * 31 + at * 7 + (at >>> 8)) & 255;
  return command;
}

/** Counts commands, which must come as 1, 2, 3, … with each byte as it was written. */
class Checking implements StateMachine<number> {
  count = 0;

  apply(decree: Decree<number>): void {
    for (let index = 0; index < decree.count; index += 1) {
      const command = decree.command(index);
      this.count += 1;
      if (Buffer.compare(command, makeCommand(this.count, command.length)) !== 0) {
        throw new Error(`command ${this.count} is not what was written`);
      }
      decree.reply(index, this.count);
    }
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function main(): Promise<void> {
  const [directory, seed, cutAfter] = process.argv.slice(2);
  const stateMachine = new Checking();
  const replica = await Replica.open(
    {
      cluster: 'power-cuts',
      replica: 'a',
      members: [{ id: 'a', address: '127.0.0.1:7101' }],
      dataDir: directory!,
      storage: { kind: 'pmem', segmentBytes: 1024 * 1024 },
      transport: { kind: 'tcp' },
      engine: 'inline',
      logger: createLogger({ level: 'warn', form: 'json' }),
    },
    stateMachine,
  );
  const { storage } = await replica.status();
  if (!storage.durable) throw new Error(`not durable: ${storage.reason}`);
  say(storage.reason);
  const random = new Random(Number(seed));
  let serial = 0;
  let acknowledged = 0;
  const lengthOf = (): number => HEADER_BYTES + random.below(random.below(4) === 0 ? COMMAND_BYTES_MAX : 500);
  for (let status = await replica.status(); ; status = await replica.status()) {
    if (status.role === 'primary' && status.applied >= status.chosen) break;
    await setTimeout(5);
  }
  serial = stateMachine.count;
  say(`recovered ${serial}`);
  if (cutAfter === '0') return replica.close();
  acknowledged = serial;
  const last = serial + Number(cutAfter);
  let asked = false;
  const lane = async (): Promise<void> => {
    for (;;) {
      serial += 1;
      // Commands are executed in the order in which they were given, and answered in it.
      acknowledged = (await replica.replicate(makeCommand(serial, lengthOf()))) as number;
      say(`acknowledged ${acknowledged}`);
      if (acknowledged < last || asked) continue;
      asked = true;
      say(CUT_REQUEST);
    }
  };
  await Promise.all(Array.from({ length: OUTSTANDING_MAX }, lane));
}

if (process.argv[1]?.endsWith('power-cut-replica.js')) {
  main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(1);
  });
}
