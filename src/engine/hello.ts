/** What replicas say of themselves when they meet: JSON, as it is rare and read by people. */

import type { EngineParts } from './engine-types.js';
import { versionsOf } from './versions.js';

export interface Hello {
  readonly cluster: string;
  readonly id: string;
  /** 32 hexadecimal digits, drawn when the disk was first used. */
  readonly incarnation: string;
  /** How often the disk was opened. Durable before it is told, so no two openings of a disk have the same. */
  readonly start: number;
  /** 16 hexadecimal digits, drawn at this opening and kept nowhere. */
  readonly life: string;
  /** What the disk held when it was opened: the sequence of its last record, … */
  readonly sequence: number;
  /** … the highest ballot promised, … */
  readonly promised: number;
  /** … and the highest slot that it has a decree for. */
  readonly accepted: number;
  /** Whether it knows the first configuration. */
  readonly hasGenesis: boolean;
  /** Whether the log outlives the process. */
  readonly durable: boolean;
  /** The lowest and the highest version of the protocol that it speaks. */
  readonly versionMin: number;
  readonly versionMax: number;
  /** The one in force, as far as it knows; 0 where it knows of no configuration. */
  readonly version: number;
}

/** What an engine says of itself for as long as it runs. */
export function describeSelf(parts: EngineParts): Omit<Hello, 'hasGenesis' | 'version'> {
  const { options, medium, recovered, diskIncarnation, drawNonce } = parts;
  const versions = versionsOf(options);
  return {
    cluster: options.cluster,
    id: options.replica,
    incarnation: hexadecimal(diskIncarnation),
    start: recovered.state.startNumber + 1,
    life: hexadecimal(new Uint8Array(Uint32Array.of(...drawNonce()).buffer)),
    sequence: recovered.verdict.nextSequence - 1,
    promised: recovered.protocol.promised,
    // What only a checkpoint holds was accepted once, or is as good as that.
    accepted: Math.max(recovered.checkpoint?.slot ?? 0, recovered.state.index.lastSlot),
    durable: medium.durable,
    versionMin: versions.min,
    versionMax: versions.max,
  };
}

function hexadecimal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function encodeHello(hello: Hello): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(hello));
}

/** Null where the bytes are none. */
export function decodeHello(bytes: Uint8Array): Hello | null {
  const value = parse(bytes);
  if (value === null) return null;
  const { cluster, id, incarnation, start, life, sequence, promised, accepted, hasGenesis, durable } = value;
  if (typeof cluster !== 'string' || cluster.length > 63 || typeof id !== 'string' || id.length > 63)
    return null;
  if (!isHexadecimal(incarnation, 32) || !isHexadecimal(life, 16)) return null;
  if (!isCount(start) || !isCount(sequence) || !isCount(promised) || !isCount(accepted)) return null;
  if (typeof hasGenesis !== 'boolean' || typeof durable !== 'boolean') return null;
  // The first builds did not tell: they speak the first version.
  const { versionMin = 1, versionMax = 1, version = 0 } = value;
  if (!isCount(versionMin) || !isCount(versionMax) || versionMin > versionMax) return null;
  if (!isCount(version) || version > versionMax) return null;
  return {
    cluster,
    id,
    incarnation,
    start,
    life,
    sequence,
    promised,
    accepted,
    hasGenesis,
    durable,
    versionMin,
    versionMax,
    version,
  };
}

/** Why a replica was not let in. */
export interface Refusal {
  readonly reason: string;
  /** It will not be let in later either: it must not vote anywhere, and stops. */
  readonly isFinal: boolean;
  /** For its build alone: a newer one would be let in. Default: false. */
  readonly isTooOld?: boolean;
}

export function encodeRefusal({ reason, isFinal, isTooOld }: Refusal): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ reason, isFinal, isTooOld }));
}

export function decodeRefusal(bytes: Uint8Array): Refusal {
  const value = parse(bytes);
  const reason = typeof value?.reason === 'string' ? value.reason.slice(0, 500) : 'refused';
  const isTooOld = value?.isTooOld === true ? { isTooOld: true } : {};
  return { reason, isFinal: value?.isFinal === true, ...isTooOld };
}

function parse(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

function isHexadecimal(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
