/** Bodies of the small frames: encoded here, and checked when they come from outside. */

import { type ErrorCode, type Outcome, SynodError } from '../errors.js';
import { ID_PATTERN } from '../limits.js';
import {
  type ClientFrame,
  ClientFrameError,
  HEADER_BYTES,
  readNumber,
  SESSION_ID_BYTES,
  writeNumber,
} from './format.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const MESSAGE_BYTES_MAX = 1024;
const CODE_PATTERN = /^ERR_SYNOD_[A-Z_]{1,64}$/;
const outcomes: readonly (Outcome | undefined)[] = [undefined, 'not-applied', 'unknown', 'committed'];

export interface Hello {
  readonly session: string;
  /** Of the server's process that the session was begun with; null for a new session. */
  readonly life: string | null;
  readonly received: number;
  readonly cluster: string;
}

export interface Welcome {
  readonly life: string;
  /** Sequence number of the last command that the server has of this session. */
  readonly received: number;
  readonly commandBytesMax: number;
  readonly frameBytesMax: number;
  readonly primary: string | null;
}

export function encodeHello({ session, life, received, cluster }: Hello): Uint8Array {
  const name = encoder.encode(cluster);
  const body = new Uint8Array(2 * SESSION_ID_BYTES + 8 + name.length);
  putId(body, 0, session);
  if (life !== null) putId(body, SESSION_ID_BYTES, life);
  writeNumber(new DataView(body.buffer), 2 * SESSION_ID_BYTES, received);
  body.set(name, 2 * SESSION_ID_BYTES + 8);
  return body;
}

export function decodeHello({ bytes, view }: ClientFrame): Hello {
  need(bytes, 2 * SESSION_ID_BYTES + 8);
  const life = idAt(bytes, HEADER_BYTES + SESSION_ID_BYTES);
  const received = readNumber(view, HEADER_BYTES + 2 * SESSION_ID_BYTES);
  const cluster = decoder.decode(bytes.subarray(HEADER_BYTES + 2 * SESSION_ID_BYTES + 8));
  if (received < 0 || !ID_PATTERN.test(cluster)) throw new ClientFrameError('a hello out of bounds');
  return {
    session: idAt(bytes, HEADER_BYTES),
    life: /^0+$/.test(life) ? null : life,
    received,
    cluster,
  };
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  const primary = encoder.encode(welcome.primary ?? '');
  const body = new Uint8Array(SESSION_ID_BYTES + 16 + primary.length);
  const view = new DataView(body.buffer);
  putId(body, 0, welcome.life);
  writeNumber(view, SESSION_ID_BYTES, welcome.received);
  view.setUint32(SESSION_ID_BYTES + 8, welcome.commandBytesMax, true);
  view.setUint32(SESSION_ID_BYTES + 12, welcome.frameBytesMax, true);
  body.set(primary, SESSION_ID_BYTES + 16);
  return body;
}

export function decodeWelcome({ bytes, view }: ClientFrame): Welcome {
  need(bytes, SESSION_ID_BYTES + 16);
  const at = HEADER_BYTES + SESSION_ID_BYTES;
  const received = readNumber(view, at);
  if (received < 0) throw new ClientFrameError('a welcome out of bounds');
  return {
    life: idAt(bytes, HEADER_BYTES),
    received,
    commandBytesMax: view.getUint32(at + 8, true),
    frameBytesMax: view.getUint32(at + 12, true),
    primary: decodeId(bytes.subarray(at + 16)),
  };
}

export function encodePrimary(primary: string | null): Uint8Array {
  return encoder.encode(primary ?? '');
}

/** An id, or null for none. */
export function decodeId(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return null;
  const id = decoder.decode(bytes);
  if (!ID_PATTERN.test(id)) throw new ClientFrameError('no id of a replica');
  return id;
}

export function encodeFailure(code: string, outcome: Outcome | undefined, message: string): Uint8Array {
  const name = encoder.encode(code);
  const text = encoder.encode(message).subarray(0, MESSAGE_BYTES_MAX);
  const body = new Uint8Array(2 + name.length + text.length);
  body[0] = outcomes.indexOf(outcome);
  body[1] = name.length;
  body.set(name, 2);
  body.set(text, 2 + name.length);
  return body;
}

export function decodeFailure({ bytes }: ClientFrame): SynodError {
  need(bytes, 2);
  const body = bytes.subarray(HEADER_BYTES);
  need(bytes, 2 + body[1]!);
  const code = decoder.decode(body.subarray(2, 2 + body[1]!));
  if (body[0]! >= outcomes.length || !CODE_PATTERN.test(code))
    throw new ClientFrameError('no code of an error');
  const outcome = outcomes[body[0]!];
  const message = decoder.decode(body.subarray(2 + body[1]!));
  return new SynodError(code as ErrorCode, message, outcome === undefined ? {} : { outcome });
}

function need(bytes: Uint8Array, bodyBytes: number): void {
  if (bytes.length < HEADER_BYTES + bodyBytes) throw new ClientFrameError('a body that is too short');
}

function putId(body: Uint8Array, at: number, id: string): void {
  for (let index = 0; index < SESSION_ID_BYTES; index += 1)
    body[at + index] = Number.parseInt(id.slice(2 * index, 2 * index + 2), 16);
}

function idAt(bytes: Uint8Array, at: number): string {
  let id = '';
  for (let index = 0; index < SESSION_ID_BYTES; index += 1)
    id += bytes[at + index]!.toString(16).padStart(2, '0');
  return id;
}
