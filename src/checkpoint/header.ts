/** The header of a checkpoint: of which slot, by whom, and which members the cluster had then. */

import type { Crc32c } from '../checksum.js';
import { requires } from '../contracts.js';
import { CONFIGURATION_BYTES_MAX } from '../limits.js';
import { IDENTIFIER_BYTES_MAX } from '../log/format.js';
import { readIdentifier } from '../log/identifier.js';
import { readUint64, writeUint64 } from '../log/record.js';
import {
  CHECKPOINT_HEADER_BYTES,
  CHECKPOINT_MAGIC_HIGH,
  CHECKPOINT_MAGIC_LOW,
  CHECKPOINT_VERSION,
  CheckpointField,
} from './format.js';

/** `CheckpointField` has the places and meanings. Numbers are safe integers of at least 0. */
export interface CheckpointHeader {
  readonly slot: number;
  readonly ballot: number;
  readonly nonceLow: number;
  readonly nonceHigh: number;
  readonly createdAtMs: number;
  /** 1 to 63 bytes of UTF-8 each. */
  readonly cluster: string;
  readonly replica: string;
  /** As the protocol encodes them; at most 2048 bytes each. */
  readonly configuration: Uint8Array;
  readonly firstConfiguration: Uint8Array;
}

export type CheckpointHeaderReading =
  /** `chain` is what the first block's checksum continues from. */
  | { readonly kind: 'valid'; readonly header: CheckpointHeader; readonly chain: number }
  /** Cut off, or magic number or checksum is wrong. */
  | { readonly kind: 'damaged' }
  /** Intact, of a version that this code does not know. */
  | { readonly kind: 'unsupported'; readonly version: number }
  /** Intact, but `field` has a value that no writer writes. */
  | { readonly kind: 'malformed'; readonly field: string };

const encoder = new TextEncoder();

function headerChecksum(bytes: Uint8Array, crc32c: Crc32c): number {
  return crc32c(bytes, CheckpointField.version, CHECKPOINT_HEADER_BYTES, 0);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The header's bytes, and what the first block's checksum continues from. */
export function writeCheckpointHeader(
  header: CheckpointHeader,
  crc32c: Crc32c,
): { readonly bytes: Uint8Array; readonly chain: number } {
  const bytes = new Uint8Array(CHECKPOINT_HEADER_BYTES);
  const view = viewOf(bytes);
  for (const name of ['slot', 'ballot', 'createdAtMs'] as const) {
    const value = header[name];
    requires(Number.isSafeInteger(value) && value >= 0, 'checkpoint-field-safe-integer', () => name);
    writeUint64(view, CheckpointField[name], value);
  }
  view.setUint32(CheckpointField.magicLow, CHECKPOINT_MAGIC_LOW, true);
  view.setUint32(CheckpointField.magicHigh, CHECKPOINT_MAGIC_HIGH, true);
  view.setUint32(CheckpointField.version, CHECKPOINT_VERSION, true);
  view.setUint32(CheckpointField.nonceLow, header.nonceLow, true);
  view.setUint32(CheckpointField.nonceHigh, header.nonceHigh, true);
  for (const [name, lengthAt] of [
    ['cluster', CheckpointField.clusterBytes],
    ['replica', CheckpointField.replicaBytes],
  ] as const) {
    const text = encoder.encode(header[name]);
    requires(text.length >= 1 && text.length <= IDENTIFIER_BYTES_MAX, 'checkpoint-identifier-length');
    bytes[lengthAt] = text.length;
    bytes.set(text, CheckpointField[name]);
  }
  for (const [name, lengthAt] of [
    ['configuration', CheckpointField.configurationBytes],
    ['firstConfiguration', CheckpointField.firstConfigurationBytes],
  ] as const) {
    const { length } = header[name];
    requires(length >= 1 && length <= CONFIGURATION_BYTES_MAX, 'checkpoint-configuration-length');
    view.setUint16(lengthAt, length, true);
    bytes.set(header[name], CheckpointField[name]);
  }
  const chain = headerChecksum(bytes, crc32c);
  view.setUint32(CheckpointField.checksum, chain, true);
  return { bytes, chain };
}

/** Reads the first bytes of a checkpoint, which may be fewer than a header. Keeps nothing of `bytes`. */
export function readCheckpointHeader(bytes: Uint8Array, crc32c: Crc32c): CheckpointHeaderReading {
  if (bytes.length < CHECKPOINT_HEADER_BYTES) return { kind: 'damaged' };
  const page = bytes.subarray(0, CHECKPOINT_HEADER_BYTES);
  const view = viewOf(page);
  const chain = view.getUint32(CheckpointField.checksum, true);
  if (
    view.getUint32(CheckpointField.magicLow, true) !== CHECKPOINT_MAGIC_LOW ||
    view.getUint32(CheckpointField.magicHigh, true) !== CHECKPOINT_MAGIC_HIGH ||
    chain !== headerChecksum(page, crc32c)
  ) {
    return { kind: 'damaged' };
  }
  const version = view.getUint32(CheckpointField.version, true);
  if (version !== CHECKPOINT_VERSION) return { kind: 'unsupported', version };
  const cluster = readIdentifier(page, CheckpointField.clusterBytes, CheckpointField.cluster);
  if (cluster === null) return { kind: 'malformed', field: 'cluster' };
  const replica = readIdentifier(page, CheckpointField.replicaBytes, CheckpointField.replica);
  if (replica === null) return { kind: 'malformed', field: 'replica' };
  const configuration = readBytes(
    page,
    view.getUint16(CheckpointField.configurationBytes, true),
    CheckpointField.configuration,
  );
  if (configuration === null) return { kind: 'malformed', field: 'configuration' };
  const firstConfiguration = readBytes(
    page,
    view.getUint16(CheckpointField.firstConfigurationBytes, true),
    CheckpointField.firstConfiguration,
  );
  if (firstConfiguration === null) return { kind: 'malformed', field: 'firstConfiguration' };
  const header: CheckpointHeader = {
    slot: readUint64(view, CheckpointField.slot),
    ballot: readUint64(view, CheckpointField.ballot),
    nonceLow: view.getUint32(CheckpointField.nonceLow, true),
    nonceHigh: view.getUint32(CheckpointField.nonceHigh, true),
    createdAtMs: readUint64(view, CheckpointField.createdAtMs),
    cluster,
    replica,
    configuration,
    firstConfiguration,
  };
  for (const field of ['slot', 'ballot', 'createdAtMs'] as const) {
    if (header[field] < 0) return { kind: 'malformed', field };
  }
  return { kind: 'valid', header, chain };
}

function readBytes(page: Uint8Array, length: number, at: number): Uint8Array | null {
  return length < 1 || length > CONFIGURATION_BYTES_MAX ? null : page.slice(at, at + length);
}
