/** `synod member`, `synod promote`, `synod relinquish`, `synod protocol`: has a running replica do it, and says what became of it. */

import type { Address } from '../transport/transport.js';
import type { AdminCommand } from './admin-arguments.js';
import { AskError, ask } from './ask.js';
import type { Output } from './output.js';

/** Perhaps it was done, or still will be. */
export const EXIT_UNKNOWN = 3;

/** What the replica says when its time ran out, and for whom it waited in vain, is to come before that of the command line does. */
const ANSWER_MS = 2000;

/** After so long, whoever waits is told for what. */
const PATIENCE_MS = 2000;

interface Answer {
  readonly number?: number;
  readonly members?: readonly { readonly id: string; readonly address: string }[];
  readonly changed?: boolean;
  readonly primary?: string;
  /** Of the protocol, in force; and the highest that each member speaks. */
  readonly version?: number;
  readonly builds?: Readonly<Record<string, number | null>>;
}

/** The exit code. */
export async function administer(command: AdminCommand, address: Address, output: Output): Promise<number> {
  const { kind, words, timeoutMs, json } = command;
  const place = `${address.host}:${address.port}`;
  const waiting = setTimeout(
    () => output.error(`synod: waiting for ${place}: for all that must be there to be there`),
    PATIENCE_MS,
  );
  try {
    const isTimed = kind === 'bootstrap';
    const request = ['SYNOD', ...words, ...(isTimed ? ['TIMEOUT', String(timeoutMs)] : [])];
    const answer = (await ask(address, request, isTimed ? timeoutMs + ANSWER_MS : timeoutMs)) as Answer;
    output.line(json ? JSON.stringify(answer) : describe(answer));
    return 0;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    const { refusal, wasSent, message } = error;
    const isKnown = refusal === null ? !wasSent : !refusal.startsWith('UNKNOWN ');
    const what = refusal === null ? `no answer from ${place}: ${message}` : refusal.replace(/^[A-Z]+ /, '');
    const isQuestion = words.length === 1 && (words[0] === 'MEMBERS' || words[0] === 'VERSION');
    output.error(`synod: ${isKnown || isQuestion ? what : `it is unknown whether it was done: ${what}`}`);
    return isKnown || isQuestion ? 1 : EXIT_UNKNOWN;
  } finally {
    clearTimeout(waiting);
  }
}

function describe({ number, members, changed, primary, version, builds }: Answer): string {
  if (version !== undefined) {
    const each = Object.entries(builds ?? {}).map(([id, max]) =>
      max === null ? `  ${id} is not connected` : `  ${id} speaks up to ${max}`,
    );
    return [`version ${version} of the protocol is in force`, ...each].join('\n');
  }
  if (primary !== undefined) return `${primary} is the primary`;
  const lines = [`member set ${number}${changed === false ? ', as it was' : ''}`];
  for (const { id, address } of members ?? []) lines.push(`  ${id} ${address}`);
  return lines.join('\n');
}
