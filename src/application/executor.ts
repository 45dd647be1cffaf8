/** The executor: runs chosen decrees through the state machine, in order, each command once. */

import type { SessionEntry } from '../checkpoint/blocks.js';
import { ensures, requires } from '../contracts.js';
import type { Bridge, Delivery } from '../engine/bridge.js';
import { CHECKPOINT_DELIVERY, GROUP_HEADER_BYTES } from '../engine/bridge.js';
import { type Group, GroupFlag, readGroupHeader } from '../engine/group.js';
import { SynodError } from '../errors.js';
import { DecreeKind, type Slot } from '../protocol/decree.js';
import { SessionTable } from '../protocol/sessions.js';
import type { StateMachine } from '../state-machine.js';
import { DecreeView } from './decree-view.js';
import type { Memory } from './memory-map.js';

export interface ExecutorOptions<Result> {
  readonly bridge: Bridge;
  readonly stateMachine: StateMachine<Result>;
  readonly memory: (number: number) => Memory;
  readonly reply: (sequence: number, result: Result) => void;
  /** What the caller of an own command gave along. */
  readonly contextOf?: (sequence: number) => unknown;
  /** Own commands up to `sequence` were executed. */
  readonly settle: (sequence: number) => void;
  readonly wakeEngine: () => void;
  /** A member set that is in force from the next slot on, as the log has it. */
  readonly onConfiguration?: (bytes: Uint8Array) => void;
  /** The state behind this slot is to be restored from the checkpoint; nothing is executed before `restored`. */
  readonly onCheckpoint?: (slot: Slot) => void;
}

/** After this many bytes the application's loop gets a turn. */
const SLICE_BYTES = 4 * 1024 * 1024;
const SLICE_DECREES = 256;

export class Executor<Result> {
  readonly #options: ExecutorOptions<Result>;
  readonly #sessions = new SessionTable();
  /** Bytes that were executed so far. */
  bytesExecuted = 0;
  #isPaused = false;
  #isExecuting = false;
  #slotAtWork: Slot = 0;
  /** The engine waits to hear that a command which was given with `last` is executed. */
  #wakesEngine = false;
  readonly #decree: DecreeView<Result>;
  readonly #delivery: Delivery = { slot: 0, memory: 0, offset: 0, bytes: 0, commands: 0, kind: 0 };
  readonly #group: Group = { origin: 0, count: 0, session: 0, first: 0, bytes: 0, flags: 0 };

  constructor(options: ExecutorOptions<Result>) {
    this.#options = options;
    this.#decree = new DecreeView(options.reply, options.contextOf);
  }

  /** How far the commands of each session are executed. */
  get sessions(): readonly SessionEntry[] {
    return this.#sessions.entries();
  }

  /** Nothing is executed while it is true. */
  get isPaused(): boolean {
    return this.#isPaused;
  }
  set isPaused(isPaused: boolean) {
    this.#isPaused = isPaused;
  }

  /**
   * The state machine holds the state behind `slot`, and commands were executed as far as `sessions` says. Own commands among them
   * have no result here.
   */
  restored(slot: Slot, sessions: readonly SessionEntry[]): void {
    const { bridge } = this.#options;
    requires(slot > bridge.applied || slot === 0, 'restored-forward', () => `slot ${slot}`);
    this.#sessions.replace(sessions);
    bridge.applied = slot;
    const own = sessions.find(([origin, session]) => origin === bridge.self && session === bridge.session);
    if (own !== undefined) bridge.resolved = own[2] - 1;
  }

  /** A decree may be half executed: the state is that of no slot, and the sessions have all of the decree already. */
  get isExecuting(): boolean {
    return this.#isExecuting;
  }

  /** Of the decree that is being executed. Between two it is no later than what was executed. */
  get slotAtWork(): Slot {
    return this.#slotAtWork;
  }

  /** Executes what was delivered; true where there is more. What the state machine throws is thrown. */
  run(): boolean {
    this.#isExecuting = true;
    const isMore = this.#runSlice();
    // Not where the state machine threw: it is in the middle of that decree for good.
    this.#isExecuting = false;
    return isMore;
  }

  #runSlice(): boolean {
    const { bridge, settle, wakeEngine } = this.#options;
    const delivery = this.#delivery;
    let bytes = 0;
    let decrees = 0;
    let commands = 0;
    const before = bridge.resolved;
    while (
      !this.#isPaused &&
      bytes < SLICE_BYTES &&
      decrees < SLICE_DECREES &&
      bridge.peekDelivery(delivery)
    ) {
      if (delivery.kind === CHECKPOINT_DELIVERY) {
        this.#isPaused = true;
        bridge.take();
        this.#options.onCheckpoint?.(delivery.slot);
        break;
      }
      requires(
        delivery.slot === bridge.applied + 1,
        'applied-is-a-gapless-prefix',
        () => `slot ${delivery.slot}`,
      );
      this.#slotAtWork = delivery.slot;
      if (delivery.kind === DecreeKind.commands) this.#execute(delivery);
      else if (delivery.kind === DecreeKind.configuration) this.#configure(delivery);
      bridge.applied = delivery.slot;
      bridge.take();
      bytes += delivery.bytes;
      commands += delivery.commands;
      decrees += 1;
    }
    this.bytesExecuted += bytes;
    if (decrees > 0) {
      bridge.statistics.count('decreesApplied', decrees);
      bridge.statistics.count('commandsApplied', commands);
    }
    if (bridge.resolved > before) settle(bridge.resolved);
    if (decrees > 0 && (bridge.takeDeliveryBlocked() || this.#wakesEngine) && bridge.takeEngineAsleep())
      wakeEngine();
    this.#wakesEngine = false;
    return decrees > 0 && !this.#isPaused && bridge.peekDelivery(delivery);
  }

  #configure({ memory: number, offset, bytes }: Delivery): void {
    const { memory, onConfiguration } = this.#options;
    // A copy: the memory is the log's.
    onConfiguration?.(memory(number).bytes.slice(offset, offset + bytes));
  }

  #execute({ slot, memory: number, offset, bytes }: Delivery): void {
    const { bridge, memory, stateMachine } = this.#options;
    const source = memory(number);
    const decree = this.#decree;
    const group = this.#group;
    decree.begin(slot, source);
    let resolved = bridge.resolved;
    let isLast = false;
    const end = offset + bytes;
    for (let at = offset; at < end; at += GROUP_HEADER_BYTES + group.bytes) {
      const left = end - at - GROUP_HEADER_BYTES;
      if (left < 0) throw damaged(slot);
      readGroupHeader(source.view, at, group);
      const { origin, session, first, count } = group;
      if (group.bytes > left || origin < 1 || session < 1 || first < 1 || count < 1) throw damaged(slot);
      if (!this.#sessions.admit(origin, session, first, count)) continue;
      const isOwn = origin === bridge.self && session === bridge.session;
      const whole = decree.addGroup(at + GROUP_HEADER_BYTES, group.bytes, count, isOwn ? first : 0);
      if (!whole) throw damaged(slot);
      if (isOwn) resolved = first + count - 1;
      if ((group.flags & GroupFlag.last) !== 0) isLast = true;
    }
    ensures(resolved >= bridge.resolved, 'outcomes-in-order');
    if (decree.count > 0) {
      refusePromise('beforeDecree', stateMachine.beforeDecree?.(decree));
      refusePromise('apply', stateMachine.apply(decree));
      refusePromise('afterDecree', stateMachine.afterDecree?.(decree));
    }
    bridge.resolved = resolved;
    if (!isLast) return;
    bridge.lastDecree = slot;
    this.#wakesEngine = true;
  }
}

/** Of a method that is `async`: what it leaves for later would be executed at another moment on each replica. */
function refusePromise(method: string, returned: unknown): void {
  const { then } = (returned ?? {}) as Partial<PromiseLike<unknown>>;
  if (typeof then !== 'function') return;
  // Were it to reject, with nobody there to hear it, the process would end.
  then.call(returned, undefined, () => {});
  throw new TypeError(`${method} returned a promise: a decree is executed when it returns`);
}

/** It is chosen, and every replica has the same: the bytes came so from whoever proposed it. */
function damaged(slot: number): SynodError {
  return new SynodError(
    'ERR_SYNOD_LOG_CORRUPT',
    `the decree in slot ${slot} is no list of groups of commands`,
  );
}
