/** Commands of the key-value service as they stand in the log: decoded wholly or not at all, and executed alike. */

import { CommandDecoder, CommandEncoder } from '../../../src/kv/command-codec.js';
import { argumentsOf, Operation } from '../../../src/kv/operations.js';
import { KeyValueStateMachine } from '../../../src/kv/state-machine.js';
import { FakeDecree } from '../../kv/fake-replica.js';
import { readReplies } from '../../kv/reply-reader.js';
import { mutateBytes } from '../mutators.js';
import { Choices, type FuzzTarget, must, words } from '../target.js';

const decoder = new CommandDecoder();

function encode(version: 2 | 3, operations: readonly (readonly [Operation, ...string[]])[]): Uint8Array {
  const encoder = new CommandEncoder();
  encoder.begin(1_700_000_000_000, version);
  for (const [operation, ...values] of operations) {
    const source = Buffer.from(values.join(''), 'latin1');
    const ends = new Int32Array(values.length);
    const starts = new Int32Array(values.length);
    let at = 0;
    for (const [index, value] of values.entries()) {
      starts[index] = at;
      at += value.length;
      ends[index] = at;
    }
    encoder.operation(operation, source, starts, ends, 0, values.length);
  }
  return Uint8Array.from(encoder.view());
}

/** Encoded again, the operations must be the bytes that they came from. */
function checkDecoded(command: Uint8Array): number {
  const { count, operations, firstArgument, starts, ends, nested } = decoder;
  const encoder = new CommandEncoder();
  let replies = 0;
  encoder.begin(decoder.clockMs, decoder.version);
  for (let index = 0; index < count; index++) {
    const operation = operations[index] as Operation;
    must(argumentsOf[operation] !== undefined, 'an unknown operation');
    for (let at = firstArgument[index]!; at < firstArgument[index + 1]!; at++) {
      must(
        0 <= starts[at]! && starts[at]! <= ends[at]! && ends[at]! <= command.length,
        'outside of the command',
      );
    }
    replies += 1;
    if (operation === Operation.transaction) {
      const queued = new CommandEncoder();
      queued.clear();
      for (let inner = nested[index]!; inner > 0; inner--) {
        index += 1;
        queued.operation(
          operations[index] as Operation,
          command,
          starts,
          ends,
          firstArgument[index]!,
          firstArgument[index + 1]!,
        );
      }
      encoder.transaction(queued);
    } else
      encoder.operation(operation, command, starts, ends, firstArgument[index]!, firstArgument[index + 1]!);
  }
  must(Buffer.compare(encoder.view(), command) === 0, 'decoded and encoded, a command is another one');
  return replies;
}

/** The input is commands, each behind its length (u16). */
function commandsOf(input: Uint8Array): Uint8Array[] {
  const choices = new Choices(input);
  const commands: Uint8Array[] = [];
  while (choices.left > 0 && commands.length < 8) {
    const length = choices.byte() | (choices.byte() << 8);
    commands.push(choices.take(length));
  }
  return commands;
}

function pack(commands: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(
    Buffer.concat(commands.flatMap((one) => [Buffer.from([one.length & 255, one.length >> 8]), one])),
  );
}

export const kvCommand: FuzzTarget = {
  name: 'kv-command',
  about: 'a command of the log is decoded exactly or refused whole; two replicas reply and end alike',
  inputBytesMax: 4096,
  guides: ['/src/kv/'],
  memoryBytesMax: 64 * 1024 * 1024,
  dictionary: words(
    '9223372036854775807',
    '-9223372036854775808',
    '-1',
    '0',
    'EX',
    'PX',
    'NX',
    'XX',
    'GET',
    'KEEPTTL',
    'EXAT',
    'PXAT',
    'MATCH',
    'COUNT',
    '*[a-',
    'GT',
    'LT',
    '\x3c\x02',
  ),
  seeds: () => [
    pack([
      encode(3, [
        [Operation.set, 'a', '1', 'PX', '100', 'NX'],
        [Operation.incrby, 'a', '41'],
        [Operation.get, 'a'],
        [Operation.mset, 'b', '2', 'c', '3'],
        [Operation.mget, 'a', 'b', 'x'],
        [Operation.scan, '0', 'MATCH', '*', 'COUNT', '10'],
        [Operation.keys, '*[a-c]'],
      ]),
      encode(2, [
        [Operation.append, 'a', 'x'],
        [Operation.pexpire, 'a', '1000', 'NX'],
        [Operation.ttl, 'a'],
        [Operation.persist, 'a'],
        [Operation.getdel, 'a'],
        [Operation.setex, 'd', '10', 'v'],
        [Operation.getset, 'd', 'w'],
        [Operation.type, 'd'],
        [Operation.dbsize],
        [Operation.flush, 'ASYNC'],
        [Operation.del, 'b', 'c'],
      ]),
    ]),
    pack([
      Uint8Array.from([
        1,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        Operation.transaction,
        2,
        Operation.incr,
        1,
        97,
        Operation.get,
        1,
        97,
      ]),
    ]),
  ],
  mutate(input, random) {
    const commands = commandsOf(input);
    if (commands.length === 0) return input;
    const at = random.below(commands.length);
    const command = commands[at]!;
    if (random.chance(0.2)) commands.splice(at, 0, random.pick(commands));
    else if (random.chance(0.3)) {
      // A number in one byte more than it needs.
      const place = random.below(command.length + 1);
      const longer = [...command];
      longer.splice(place, 1, (command[place] ?? 0) | 128, 0);
      commands[at] = Uint8Array.from(longer);
    } else commands[at] = mutateBytes(command, random, this.dictionary!);
    return pack(commands);
  },
  run(input, trace) {
    const commands = commandsOf(input);
    if (commands.length === 0) return;
    const one = new KeyValueStateMachine({ replyBytesMax: 1024 * 1024 });
    const other = new KeyValueStateMachine({ replyBytesMax: 64 * 1024 });
    for (const [index, command] of commands.entries()) {
      const decree = new FakeDecree<Uint8Array>(index + 1, [command]);
      one.apply(decree);
      // Where nobody waits, reads may be skipped: the state must come out the same.
      other.apply(new FakeDecree<Uint8Array>(index + 1, [command], index % 2 === 0, true));
      const replies = readReplies(decree.results[0]!);
      const expected = decoder.decode(command, 0, command.length) ? checkDecoded(command) : 1;
      must(
        replies.length === expected,
        'another number of replies than operations',
        () => `${replies.length}, ${expected}`,
      );
      trace(decoder.count === 0 ? 'malformed' : `operations ${Math.min(4, decoder.count)}`);
      for (let at = 0; at < decoder.count; at++) trace(`${decoder.operations[at]} ${replyKind(replies[at])}`);
    }
    must(one.digest() === other.digest(), 'two replicas end in two states');
    must(one.statistics().keyCount === other.statistics().keyCount, 'two replicas count two numbers of keys');
  },
};

function replyKind(reply: unknown): string {
  if (reply === null || typeof reply !== 'object') return typeof reply;
  return 'error' in reply ? String(reply.error).replace(/'.*/, '') : (Object.keys(reply)[0] ?? 'empty');
}
