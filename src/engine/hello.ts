/** What replicas say of themselves when they meet: JSON, as it is rare and read by people. */

export interface Hello {
  readonly cluster: string;
  readonly id: string;
  /** 32 hexadecimal digits, drawn when the disk was first used. */
  readonly incarnation: string;
  /** How often the disk was opened. */
  readonly start: number;
  /** Sequence of the last record that is durable on it. */
  readonly sequence: number;
  /** Whether it knows the first configuration. */
  readonly hasGenesis: boolean;
  /** Whether the log outlives the process. */
  readonly durable: boolean;
}

export function encodeHello(hello: Hello): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(hello));
}

/** Null where the bytes are none. */
export function decodeHello(bytes: Uint8Array): Hello | null {
  const value = parse(bytes);
  if (value === null) return null;
  const { cluster, id, incarnation, start, sequence, hasGenesis, durable } = value;
  if (typeof cluster !== 'string' || cluster.length > 63 || typeof id !== 'string' || id.length > 63)
    return null;
  if (typeof incarnation !== 'string' || !/^[0-9a-f]{32}$/.test(incarnation)) return null;
  if (
    !isCount(start) ||
    !isCount(sequence) ||
    typeof hasGenesis !== 'boolean' ||
    typeof durable !== 'boolean'
  )
    return null;
  return { cluster, id, incarnation, start, sequence, hasGenesis, durable };
}

export function encodeRefusal(reason: string): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ reason }));
}

export function decodeRefusal(bytes: Uint8Array): string | null {
  const reason = parse(bytes)?.reason;
  return typeof reason === 'string' ? reason.slice(0, 500) : null;
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

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
