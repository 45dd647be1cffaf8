/** Histories made at random: right by construction, then spoilt. The same random numbers, the same history. */

import type { Random } from '../cluster/support/random.js';
import type { ReplyValue } from '../kv/reply-reader.js';
import { StoreDriver } from '../kv/store-driver.js';
import type { KeyValueInput, KeyValueOutput } from './kv-model.js';
import type { Operation } from './operation.js';

export type KeyValueOperation = Operation<KeyValueInput, KeyValueOutput>;

export interface HistoryShape {
  readonly clients: number;
  readonly operations: number;
  readonly keys: number;
  /** Different values that are written; fewer make more coincidences. */
  readonly values: number;
  /** Of 1: operations on two keys. */
  readonly multiKey: number;
  /** Of 1: operations whose outcome the client is never told. Half of them happen late, or never. */
  readonly unknown: number;
  /** Only SET and GET, and every value is written once. */
  readonly register?: boolean;
  /** Of a register: SET tells what was there before. */
  readonly registerPrevious?: boolean;
}

function plain(reply: ReplyValue): KeyValueOutput {
  if (reply !== null && typeof reply === 'object' && 'simple' in reply) return reply.simple;
  return Array.isArray(reply) ? reply.map(plain) : (reply as KeyValueOutput);
}

export function randomRequest(random: Random, shape: HistoryShape, serial: number): KeyValueInput {
  const key = `k${random.below(shape.keys)}`;
  const value = shape.register === true ? `${serial}` : `${random.below(shape.values)}`;
  if (shape.register === true) {
    if (random.below(2) === 0) return ['GET', key];
    return shape.registerPrevious === true ? ['SET', key, value, 'GET'] : ['SET', key, value];
  }
  if (random.next() < shape.multiKey) {
    const other = `k${random.below(shape.keys)}`;
    switch (random.below(3)) {
      case 0:
        return ['MSET', key, value, other, `${random.below(shape.values)}`];
      case 1:
        return ['MGET', key, other];
      default:
        return ['DEL', key, other];
    }
  }
  const requests: readonly KeyValueInput[] = [
    ['GET', key],
    ['GET', key],
    ['STRLEN', key],
    ['EXISTS', key],
    ['SET', key, value],
    ['SET', key, value],
    ['SET', key, value, 'NX'],
    ['SET', key, value, 'XX'],
    ['SET', key, value, 'GET'],
    ['SET', key, value, 'NX', 'GET'],
    ['SET', key, value, 'XX', 'GET'],
    ['SETNX', key, value],
    ['GETSET', key, value],
    ['GETDEL', key],
    ['DEL', key],
    ['APPEND', key, value],
    ['INCR', key],
    ['DECR', key],
    ['INCRBY', key, value],
    ['DECRBY', key, 'x'],
  ];
  return random.pick(requests);
}

/** As a linearizable service would answer: the real store executes each request at one moment between call and return. */
export function goodHistory(random: Random, shape: HistoryShape): KeyValueOperation[] {
  interface Drawn {
    readonly client: number;
    readonly input: KeyValueInput;
    readonly calledAt: number;
    readonly pointAt: number;
    readonly returnedAt: number;
    readonly isUnknown: boolean;
  }
  const drawn: Drawn[] = [];
  const free = new Array<number>(shape.clients).fill(0);
  for (let serial = 1; serial <= shape.operations; serial += 1) {
    const client = random.below(shape.clients);
    const calledAt = free[client]! + 1 + random.below(4);
    const isUnknown = random.next() < shape.unknown;
    const late = isUnknown && random.below(2) === 0 ? random.below(40) : 0;
    const pointAt = calledAt + random.next() * 3 + (late > 30 ? Number.POSITIVE_INFINITY : late);
    const returnedAt = isUnknown ? Number.POSITIVE_INFINITY : Math.ceil(pointAt + random.next() * 2);
    free[client] = isUnknown ? calledAt + 3 : returnedAt;
    drawn.push({
      client,
      input: randomRequest(random, shape, serial),
      calledAt,
      pointAt,
      returnedAt,
      isUnknown,
    });
  }
  const store = new StoreDriver();
  return drawn
    .sort((a, b) => a.pointAt - b.pointAt)
    .map(({ client, input, calledAt, pointAt, returnedAt, isUnknown }) => {
      const reply = Number.isFinite(pointAt) ? plain(store.run(input)) : undefined;
      return { client, input, output: isUnknown ? undefined : reply, calledAt, returnedAt };
    })
    .sort((a, b) => a.calledAt - b.calledAt);
}

/** Changes something that a client was told, or when. What comes of it may still have an explanation. */
export function spoil(random: Random, history: readonly KeyValueOperation[]): KeyValueOperation[] {
  const spoilt = [...history];
  const at = random.below(spoilt.length);
  const operation = spoilt[at]!;
  const others = spoilt.filter(
    ({ input, output }) => output !== undefined && input[0] === operation.input[0],
  );
  switch (random.below(4)) {
    case 0:
      // What another one of its kind was told.
      if (operation.output !== undefined && others.length > 0)
        spoilt[at] = { ...operation, output: random.pick(others).output! };
      break;
    case 1:
      if (operation.output !== undefined)
        spoilt[at] = { ...operation, output: random.pick([null, 0, 1, 2, 'OK', '0', '1']) };
      break;
    case 2:
      // It took less time than it did.
      if (operation.output !== undefined) spoilt[at] = { ...operation, returnedAt: operation.calledAt };
      break;
    default:
      // It happened, and nobody knows of it.
      spoilt.splice(at, 1);
      break;
  }
  return spoilt;
}
