/**
 * Recovery once more, slow and plain: it decodes with its own few lines (64-bit numbers as bigint, checksum bit by bit), looks
 * at every position of every segment, and asks the questions of docs/storage-format.md one after another.
 */

import type { Images } from './log-writer-model.js';

interface Header {
  readonly segment: number;
  readonly firstSequence: number;
  readonly durable: number;
  readonly nonce: number;
  readonly previous: number;
  readonly segmentBytes: number;
}

interface FoundRecord {
  readonly segment: number;
  readonly offset: number;
  readonly sequence: number;
  readonly durable: number;
  readonly nonce: number;
  readonly previous: number;
  readonly checksum: number;
  readonly payloadBytes: number;
  readonly isWhole: boolean;
}

export interface ReferenceResult {
  readonly kind: 'sound' | 'corrupt';
  /** Where the records of the log are: `segment:offset`. */
  readonly records: readonly string[];
}

export function slowChecksum(bytes: Uint8Array): number {
  let remainder = 0xffff_ffff;
  for (const byte of bytes) {
    remainder ^= byte;
    for (let bit = 0; bit < 8; bit++) remainder = (remainder >>> 1) ^ (remainder & 1 ? 0x82f6_3b78 : 0);
  }
  return (remainder ^ 0xffff_ffff) >>> 0;
}

function number32(bytes: Uint8Array, at: number): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readUInt32LE(at);
}

function number64(bytes: Uint8Array, at: number): number {
  return Number(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).readBigUInt64LE(at));
}

function headerOf(bytes: Uint8Array): Header | null {
  if (Buffer.from(bytes.subarray(0, 8)).toString('latin1') !== 'SYNODSEG') return null;
  if (slowChecksum(bytes.subarray(12, 4096)) !== number32(bytes, 8)) return null;
  return {
    segment: number64(bytes, 16),
    nonce: number32(bytes, 24),
    firstSequence: number64(bytes, 32),
    previous: number32(bytes, 40),
    durable: number64(bytes, 48),
    segmentBytes: number64(bytes, 80),
  };
}

function recordsOf(segment: number, bytes: Uint8Array): FoundRecord[] {
  const records: FoundRecord[] = [];
  for (let offset = 4096; offset + 80 <= bytes.length; offset += 8) {
    if (Buffer.from(bytes.subarray(offset, offset + 4)).toString('latin1') !== 'REC1') continue;
    const checksum = number32(bytes, offset + 4);
    if (slowChecksum(bytes.subarray(offset + 8, offset + 80)) !== checksum) continue;
    const payloadBytes = number32(bytes, offset + 8);
    const end = offset + 80 + payloadBytes;
    const isPad = bytes[offset + 17] === 7;
    records.push({
      segment,
      offset,
      checksum,
      payloadBytes,
      sequence: number64(bytes, offset + 40),
      durable: number64(bytes, offset + 48),
      nonce: number32(bytes, offset + 68),
      previous: number32(bytes, offset + 72),
      isWhole:
        end <= bytes.length &&
        (isPad || slowChecksum(bytes.subarray(offset + 80, end)) === number32(bytes, offset + 12)),
    });
  }
  return records;
}

export function recoverSlowly(images: Images): ReferenceResult {
  const numbers = [...images.keys()].sort((left, right) => left - right);
  const headers = new Map<number, Header>();
  for (const number of numbers) {
    const header = headerOf(images.get(number)!);
    if (header === null) continue;
    if (header.segment !== number) return { kind: 'corrupt', records: [] };
    headers.set(number, header);
  }
  const isVoid = (number: number): boolean => {
    const own = headers.get(number);
    return numbers.some((later) => {
      const header = headers.get(later);
      return (
        own !== undefined &&
        header !== undefined &&
        later > number &&
        header.firstSequence <= own.firstSequence
      );
    });
  };
  const line = numbers.filter((number) => headers.has(number) && !isVoid(number));
  const every = numbers.flatMap((number) => recordsOf(number, images.get(number)!));
  const result: string[] = [];
  let sequence = 1;
  let chain = 0;
  if (line.length > 0 && headers.get(line[0]!)!.firstSequence !== 1) {
    const lowest = numbers[0]!;
    return { kind: headers.has(lowest) || isLost(lowest, -1) ? 'corrupt' : 'sound', records: [] };
  }

  for (const [index, number] of line.entries()) {
    const header = headers.get(number)!;
    const next = line[index + 1];
    if (header.firstSequence !== sequence || header.previous !== chain)
      return { kind: 'corrupt', records: result };
    let offset = 4096;
    while (next === undefined || sequence < headers.get(next)!.firstSequence) {
      const record = every.find((each) => each.segment === number && each.offset === offset);
      const isOurs = record !== undefined && record.nonce === header.nonce;
      if (isOurs && (record.sequence !== sequence || record.previous !== chain)) {
        return { kind: 'corrupt', records: result };
      }
      if (!isOurs || !record.isWhole) {
        return { kind: isLost(number, offset) ? 'corrupt' : 'sound', records: result };
      }
      result.push(`${number}:${offset}`);
      offset += 80 + Math.ceil(record.payloadBytes / 8) * 8;
      sequence += 1;
      chain = record.checksum;
    }
  }
  return { kind: isLost(0, 0) ? 'corrupt' : 'sound', records: result };

  /** Whether anything behind the place says that record `sequence` was durable, or a segment file is gone. */
  function isLost(segment: number, offset: number): boolean {
    const isOwn = (record: FoundRecord): boolean => {
      const header = headers.get(record.segment);
      return header === undefined || header.nonce === record.nonce;
    };
    const isBehind = (record: FoundRecord): boolean =>
      record.segment > segment || (record.segment === segment && record.offset > offset);
    const laterHeaders = numbers.filter(
      (number) => number > segment && headers.has(number) && !isVoid(number),
    );
    if (laterHeaders.some((number) => headers.get(number)!.durable >= sequence)) return true;
    if (
      every.some(
        (record) =>
          isBehind(record) &&
          isOwn(record) &&
          (record.segment === segment || !isVoid(record.segment)) &&
          record.durable >= sequence,
      )
    ) {
      return true;
    }
    const successor = laterHeaders[0];
    if (successor === undefined) return false;
    for (let number = segment + 1; number < successor; number++) if (!images.has(number)) return true;
    return false;
  }
}
