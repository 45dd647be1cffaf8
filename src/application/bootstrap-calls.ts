/** Promises of who asked for the first configuration. */

import type { EngineEvent } from '../engine/engine-types.js';
import type { BootstrapOrder, BootstrapOutcome } from '../engine/first-configuration.js';
import { SynodError } from '../errors.js';
import { badArgument, checkOptions } from './bad-argument.js';
import { TIMEOUT_MS_MAX } from './call-options.js';
import { type ConfigurationMember, checkMembers } from './membership.js';

/** `already-bootstrapped`: the first configuration was there before the call, with the same members. */
export type BootstrapResult = 'bootstrapped' | 'already-bootstrapped';

export interface BootstrapOptions {
  /** Milliseconds until the call rejects, 1 to 2^31 - 1. Default: 30,000. */
  readonly timeoutMs?: number | undefined;
}

interface Call {
  resolve(result: BootstrapResult): void;
  reject(error: SynodError): void;
}

const TIMEOUT_MS = 30_000;

export class BootstrapCalls {
  readonly #replica: string;
  readonly #calls: Map<number, Call> = new Map();
  #requests = 0;

  constructor(replica: string) {
    this.#replica = replica;
  }

  /** Rejects with `ERR_SYNOD_ARGUMENT`, or as the event says. */
  async order(
    send: (order: BootstrapOrder) => void,
    members: readonly ConfigurationMember[],
    options: BootstrapOptions,
  ): Promise<BootstrapResult> {
    checkOptions(options, ['timeoutMs']);
    const { timeoutMs = TIMEOUT_MS } = options;
    const checked = checkMembers(members);
    if (!checked.some(({ id }) => id === this.#replica))
      throw badArgument(`members: "${this.#replica}", which is asked, must be one of them`);
    if (!Number.isInteger(timeoutMs) || timeoutMs < 1 || timeoutMs > TIMEOUT_MS_MAX)
      throw badArgument(`timeoutMs: expected an integer, 1 to ${TIMEOUT_MS_MAX}`);
    this.#requests += 1;
    const request = this.#requests;
    return await new Promise((resolve, reject) => {
      this.#calls.set(request, { resolve, reject });
      send({ request, members: checked, timeoutMs });
    });
  }

  onSettled({ request, outcome }: Extract<EngineEvent, { kind: 'bootstrap-settled' }>): void {
    const call = this.#calls.get(request);
    if (call === undefined) return;
    this.#calls.delete(request);
    if (outcome.kind === 'bootstrapped') call.resolve('bootstrapped');
    else if (outcome.kind === 'already') call.resolve('already-bootstrapped');
    else call.reject(errorOf(outcome));
  }

  /** Nothing will be settled any more. */
  rejectAll(error: SynodError): void {
    for (const { reject } of this.#calls.values()) reject(error);
    this.#calls.clear();
  }
}

function errorOf(
  outcome: Exclude<BootstrapOutcome, { kind: 'bootstrapped' } | { kind: 'already' }>,
): SynodError {
  switch (outcome.kind) {
    case 'otherwise':
      return new SynodError(
        'ERR_SYNOD_BOOTSTRAPPED',
        `the cluster began with other members: ${outcome.ids.join(', ')}`,
        { outcome: 'not-applied' },
      );
    case 'conflict':
      return new SynodError(
        'ERR_SYNOD_BOOTSTRAP_FAILED',
        `"${outcome.id}" was given other members before: ${outcome.ids.join(', ')}`,
        { outcome: 'not-applied' },
      );
    case 'timeout':
      return new SynodError(
        'ERR_SYNOD_BOOTSTRAP_FAILED',
        outcome.missing.length === 0
          ? 'no primary in time'
          : `not in time: not connected, or without an answer: ${outcome.missing.join(', ')}`,
        { outcome: 'unknown' },
      );
  }
}
