/**
 * A checkpoint file as an input of the fuzzer. Most of its header is zeros, which nothing would be learnt from changing:
 *
 *     u8 how it is cut | 256 bytes of the header | u16 length, configuration | u16 length, first configuration | blocks
 */

import { BlockWriter, type SessionEntry } from '../../src/checkpoint/blocks.js';
import {
  BLOCK_HEADER_BYTES,
  BLOCK_PAYLOAD_BYTES_MAX,
  BlockField,
  BlockKind,
  CHECKPOINT_HEADER_BYTES,
  CHECKPOINT_MAGIC_HIGH,
  CHECKPOINT_MAGIC_LOW,
  CHECKPOINT_VERSION,
  CheckpointField,
} from '../../src/checkpoint/format.js';
import { writeCheckpointHeader } from '../../src/checkpoint/header.js';
import { crc32c } from '../../src/checksum.js';
import { CONFIGURATION_BYTES_MAX } from '../../src/limits.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import type { Random } from './random.js';
import { join, viewOf } from './target.js';

const FIXED_BYTES = CheckpointField.configuration;
export const CLUSTER = 'test';

/** Where the parts of an input are. */
interface Places {
  readonly configuration: readonly [start: number, end: number];
  readonly firstConfiguration: readonly [start: number, end: number];
  readonly body: number;
}

function placesIn(input: Uint8Array): Places {
  let at = 1 + FIXED_BYTES;
  const part = (): readonly [number, number] => {
    const length = (input[at] ?? 0) + 256 * (input[at + 1] ?? 0);
    const start = Math.min(input.length, at + 2);
    at = Math.min(input.length, start + Math.min(length, CONFIGURATION_BYTES_MAX));
    return [start, at];
  };
  return { configuration: part(), firstConfiguration: part(), body: at };
}

/** The file. Its header is whole, whatever the input is. */
export function unpackCheckpoint(input: Uint8Array): Uint8Array {
  const { configuration, firstConfiguration, body } = placesIn(input);
  const header = new Uint8Array(CHECKPOINT_HEADER_BYTES);
  header.set(input.subarray(1, 1 + FIXED_BYTES));
  header.set(input.subarray(...configuration), CheckpointField.configuration);
  header.set(input.subarray(...firstConfiguration), CheckpointField.firstConfiguration);
  return join([header, input.subarray(body)]);
}

function packCheckpoint(cut: number, file: Uint8Array): Uint8Array {
  const view = viewOf(file);
  const part = (lengthAt: number, at: number): Uint8Array => {
    const length = view.getUint16(lengthAt, true);
    return join([new Uint8Array([length & 255, length >> 8]), file.subarray(at, at + length)]);
  };
  return join([
    new Uint8Array([cut]),
    file.subarray(0, FIXED_BYTES),
    part(CheckpointField.configurationBytes, CheckpointField.configuration),
    part(CheckpointField.firstConfigurationBytes, CheckpointField.firstConfiguration),
    file.subarray(CHECKPOINT_HEADER_BYTES),
  ]);
}

/** A right one. */
export function sampleCheckpoint(
  slot: number,
  sessions: readonly SessionEntry[],
  state: readonly Uint8Array[],
): Uint8Array {
  const members = ['a', 'b', 'c'].map((id, index) => ({
    number: index + 1,
    id,
    incarnation: String(index + 1).repeat(32),
  }));
  const first = encodeConfiguration({ number: 1, members, nextMember: 4 });
  const addressed = members.map((member) => ({ ...member, address: `${member.id}:7000` }));
  const configuration = encodeConfiguration({ number: 2, members: addressed, nextMember: 4, cookie: 'AAAA' });
  const header = {
    slot,
    ballot: 65_537,
    nonceLow: 7,
    nonceHigh: 8,
    createdAtMs: 9,
    cluster: CLUSTER,
    replica: 'a',
  };
  const { bytes, chain } = writeCheckpointHeader(
    { ...header, configuration, firstConfiguration: first },
    crc32c,
  );
  const writer = new BlockWriter(chain, crc32c);
  const blocks = [
    ...writer.sessions(sessions),
    ...state.flatMap((piece) => writer.state(piece)),
    ...writer.end(),
  ];
  return packCheckpoint(slot % 256, join([bytes, ...blocks]));
}

/** Mends magic numbers, lengths and the chain of checksums, most of the time. */
export function repairCheckpoint(input: Uint8Array, random: Random): Uint8Array {
  if (input.length < 1 + FIXED_BYTES + 4) return input;
  const often = (): boolean => random.chance(0.97);
  const places = placesIn(input);
  const fixed = viewOf(input.subarray(1, 1 + FIXED_BYTES));
  if (often()) {
    fixed.setUint32(CheckpointField.magicLow, CHECKPOINT_MAGIC_LOW, true);
    fixed.setUint32(CheckpointField.magicHigh, CHECKPOINT_MAGIC_HIGH, true);
    fixed.setUint32(CheckpointField.version, CHECKPOINT_VERSION, true);
  }
  const lengthOf = ([start, end]: readonly [number, number]): number => end - start;
  if (often()) fixed.setUint16(CheckpointField.configurationBytes, lengthOf(places.configuration), true);
  if (often())
    fixed.setUint16(CheckpointField.firstConfigurationBytes, lengthOf(places.firstConfiguration), true);
  if (often()) {
    fixed.setUint8(CheckpointField.clusterBytes, CLUSTER.length);
    input.set(new TextEncoder().encode(CLUSTER), 1 + CheckpointField.cluster);
  }
  for (const field of [CheckpointField.slot, CheckpointField.ballot, CheckpointField.createdAtMs])
    if (often()) fixed.setUint16(field + 6, 0, true);
  const header = unpackCheckpoint(input).subarray(0, CHECKPOINT_HEADER_BYTES);
  const checksum = crc32c(header, CheckpointField.version, CHECKPOINT_HEADER_BYTES, 0);
  if (often()) fixed.setUint32(CheckpointField.checksum, checksum, true);
  repairBlocks(input.subarray(places.body), checksum, random);
  return input;
}

function repairBlocks(body: Uint8Array, checksum: number, random: Random): void {
  const often = (): boolean => random.chance(0.97);
  const view = viewOf(body);
  let chain = checksum;
  let stateBytes = 0;
  for (let at = 0, index = 0; at + BLOCK_HEADER_BYTES <= body.length; index += 1) {
    const left = body.length - at - BLOCK_HEADER_BYTES;
    let kind = view.getUint32(at + BlockField.kind, true);
    if ((kind < BlockKind.sessions || kind > BlockKind.end) && often()) kind = 1 + random.below(3);
    view.setUint32(at + BlockField.kind, kind, true);
    let bytes = view.getUint32(at + BlockField.payloadBytes, true);
    if (bytes > left && often()) bytes = left;
    if (random.chance(0.01))
      bytes = random.pick([0, BLOCK_PAYLOAD_BYTES_MAX, BLOCK_PAYLOAD_BYTES_MAX + 1, 2 ** 32 - 1]);
    view.setUint32(at + BlockField.payloadBytes, bytes, true);
    if (often()) view.setUint32(at + BlockField.index, index, true);
    const end = at + BLOCK_HEADER_BYTES + bytes;
    if (end > body.length) return;
    if (kind === BlockKind.state) stateBytes += bytes;
    if (kind === BlockKind.end && bytes === 8 && often())
      view.setBigUint64(at + BLOCK_HEADER_BYTES, BigInt(stateBytes), true);
    chain = crc32c(body, at, at + BlockField.checksum, chain);
    chain = crc32c(body, at + BLOCK_HEADER_BYTES, end, chain);
    if (often()) view.setUint32(at + BlockField.checksum, chain, true);
    at = end;
  }
}
