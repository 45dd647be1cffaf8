/**
 * A process with an embedded replica of the compiled library, driven by messages: `{ id, name, arguments }`, answered by
 * `{ id, result }` or `{ id, error }`.
 */

import { createLogger, Replica } from '../../../dist/index.js';

/** Counts commands and digests them in their order. */
class Digesting {
  count = 0;
  hash = 0x811c9dc5;

  apply(decree) {
    const { bytes } = decree;
    for (let index = 0; index < decree.count; index += 1) {
      const end = decree.end(index);
      let { hash } = this;
      for (let at = decree.start(index); at < end; at += 1)
        hash = Math.imul(hash ^ bytes[at], 0x01000193) >>> 0;
      this.hash = hash;
      this.count += 1;
      decree.reply(index, this.count);
    }
  }

  digest() {
    return `${this.count}:${this.hash.toString(16)}`;
  }
}

const stateMachine = new Digesting();
let replica;
const told = [];
let serial = 0;

function makeCommand(bytes) {
  const command = new Uint8Array(bytes).fill(process.pid & 0xff);
  serial += 1;
  new DataView(command.buffer).setUint32(0, serial);
  return command;
}

function block(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

const load = { running: false, acknowledged: 0, failed: [], latencyMsMax: 0, done: Promise.resolve() };

async function lane(bytes) {
  while (load.running) {
    const began = performance.now();
    try {
      await replica.replicate(makeCommand(bytes));
      load.acknowledged += 1;
    } catch (error) {
      load.failed.push(String(error.code ?? error));
    }
    load.latencyMsMax = Math.max(load.latencyMsMax, performance.now() - began);
  }
}

const calls = {
  async open(options) {
    replica = await Replica.open(
      { ...options, logger: createLogger({ replica: options.replica, level: 'info' }) },
      stateMachine,
    );
    for (const name of ['primary', 'recovered', 'status'])
      replica.on(name, (argument) => told.push({ name, ...argument }));
  },
  status: () => replica.status(),
  block,
  /** Commands in one burst, in the middle of which the loop is blocked; resolves when all have results. */
  async burst({ before, ms, after, bytes }) {
    const results = [];
    for (let index = 0; index < before; index += 1) results.push(replica.replicate(makeCommand(bytes)));
    block(ms);
    for (let index = 0; index < after; index += 1) results.push(replica.replicate(makeCommand(bytes)));
    const settled = await Promise.allSettled(results);
    return {
      results: settled.filter((one) => one.status === 'fulfilled').map((one) => one.value),
      failed: settled.filter((one) => one.status === 'rejected').map((one) => String(one.reason.code)),
    };
  },
  startLoad({ lanes, bytes }) {
    Object.assign(load, { running: true, acknowledged: 0, failed: [], latencyMsMax: 0 });
    load.done = Promise.all(Array.from({ length: lanes }, () => lane(bytes)));
  },
  async stopLoad() {
    load.running = false;
    await load.done;
    return calls.load();
  },
  load: () => ({ acknowledged: load.acknowledged, failed: load.failed, latencyMsMax: load.latencyMsMax }),
  promote: (options) => replica.promote(options),
  relinquish: (options) => replica.relinquish(options),
  setPriority: (priority) => replica.setPriority(priority),
  setElectionTimeout: (electionTimeoutMs) => replica.setElectionTimeout(electionTimeoutMs),
  /** What was told of leading since the replica was opened. */
  told: () => told,
  close: () => replica.close(),
};

process.on('message', async ({ id, name, argument }) => {
  try {
    process.send({ id, result: await calls[name](argument) });
  } catch (error) {
    process.send({ id, error: { code: error.code, message: error.message } });
  }
});
process.on('disconnect', () => process.exit(1));
