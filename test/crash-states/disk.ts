/**
 * What a medium asks of the world, as events; and what of it a power cut may leave. Bytes that were written and not synced,
 * names that were changed in a directory that was not synced, and stores that were not flushed and fenced are pending: each may
 * be there afterwards or not, whatever happened to the others. What was synced, or fenced, is there.
 */

export type DiskEvent =
  | { readonly kind: 'create'; readonly directory: number; readonly name: string; readonly node: number }
  | {
      readonly kind: 'make-directory';
      readonly directory: number;
      readonly name: string;
      readonly node: number;
    }
  | { readonly kind: 'rename'; readonly directory: number; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly directory: number; readonly name: string }
  /** A write was begun. It may go on until `done`, and is durable then only where it is `synced` in itself. */
  | {
      readonly kind: 'write';
      readonly node: number;
      readonly call: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
      readonly synced: boolean;
    }
  | { readonly kind: 'truncate'; readonly node: number; readonly bytes: number }
  /** A sync of a file or a directory was begun: once `done`, everything is durable that was done before it began. */
  | { readonly kind: 'sync'; readonly node: number; readonly call: number }
  | { readonly kind: 'done'; readonly call: number }
  /** A store to mapped memory, within one word of 8 bytes. */
  | { readonly kind: 'store'; readonly node: number; readonly offset: number; readonly bytes: Uint8Array }
  /** The lines of [from, to) were flushed, and a fence has waited for them. */
  | { readonly kind: 'fence'; readonly node: number; readonly from: number; readonly to: number };

export const LINE_BYTES = 64;
export const WORD_BYTES = 8;

/** A change to one file that is not durable. */
export type PendingBytes =
  | {
      readonly kind: 'write';
      readonly call: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
      done: boolean;
    }
  | { readonly kind: 'truncate'; readonly bytes: number }
  | { readonly kind: 'store'; readonly offset: number; readonly bytes: Uint8Array };

export type PendingName = Extract<DiskEvent, { kind: 'create' | 'make-directory' | 'rename' | 'unlink' }>;

export interface FileNode {
  readonly kind: 'file';
  /** What processes see. As long as the file is. */
  cached: Uint8Array;
  durable: Uint8Array;
  pending: PendingBytes[];
}

export interface DirectoryNode {
  readonly kind: 'directory';
  cached: Map<string, number>;
  durable: Map<string, number>;
  pending: PendingName[];
}

export const ROOT = 0;

/** Files, by name, in the one directory that matters. */
export type Image = Map<string, Uint8Array>;

export class Disk {
  readonly nodes = new Map<number, FileNode | DirectoryNode>();
  /** Called before an event after which less is possible. */
  onShrink: () => void = () => {};
  /** Grows with every event after which more is possible. */
  growth = 0;
  readonly #calls = new Map<
    number,
    { node: number; covers: readonly (PendingBytes | PendingName)[] | null }
  >();

  #nextCall = 1;

  constructor() {
    this.nodes.set(ROOT, { kind: 'directory', cached: new Map(), durable: new Map(), pending: [] });
  }

  apply(event: DiskEvent): void {
    switch (event.kind) {
      case 'create':
        this.nodes.set(event.node, {
          kind: 'file',
          cached: new Uint8Array(0),
          durable: new Uint8Array(0),
          pending: [],
        });
        this.#name(event);
        return;
      case 'make-directory':
        this.nodes.set(event.node, {
          kind: 'directory',
          cached: new Map(),
          durable: new Map(),
          pending: [],
        });
        this.#name(event);
        return;
      case 'rename':
      case 'unlink':
        this.#name(event);
        return;
      case 'write': {
        const { call, offset, bytes, synced, node } = event;
        const pending: PendingBytes = { kind: 'write', call, offset, bytes, done: false };
        this.#change(node, pending);
        this.#calls.set(call, { node, covers: synced ? [pending] : null });
        return;
      }
      case 'truncate':
        this.#change(event.node, { kind: 'truncate', bytes: event.bytes });
        return;
      case 'store':
        this.#change(event.node, { kind: 'store', offset: event.offset, bytes: event.bytes });
        return;
      case 'sync': {
        const node = this.nodes.get(event.node)!;
        const covers =
          node.kind === 'directory'
            ? [...node.pending]
            : node.pending.filter((one) => one.kind !== 'write' || one.done);
        this.#calls.set(event.call, { node: event.node, covers });
        return;
      }
      case 'done':
        this.#done(event.call);
        return;
      case 'fence': {
        const from = Math.floor(event.from / LINE_BYTES) * LINE_BYTES;
        const to = Math.ceil(event.to / LINE_BYTES) * LINE_BYTES;
        const file = this.file(event.node);
        this.#settle(
          file,
          file.pending.filter((one) => one.kind === 'store' && one.offset >= from && one.offset < to),
        );
        return;
      }
    }
  }

  /** A number for the next call that takes time. */
  drawCall(): number {
    return this.#nextCall++;
  }

  /** The process is gone. What it had begun the kernel ends, without making it durable. */
  abandonCalls(): void {
    this.#calls.clear();
    for (const node of this.nodes.values()) {
      if (node.kind !== 'file') continue;
      for (const change of node.pending) if (change.kind === 'write') change.done = true;
    }
  }

  file(node: number): FileNode {
    const file = this.nodes.get(node);
    if (file?.kind !== 'file') throw new Error(`node ${node} is no file`);
    return file;
  }

  directory(node: number): DirectoryNode {
    const directory = this.nodes.get(node);
    if (directory?.kind !== 'directory') throw new Error(`node ${node} is no directory`);
    return directory;
  }

  #name(event: PendingName): void {
    const directory = this.directory(event.directory);
    applyName(directory.cached, event);
    directory.pending.push(event);
    this.growth += 1;
  }

  #change(node: number, change: PendingBytes): void {
    const file = this.file(node);
    file.cached = applyBytes(file.cached, change);
    file.pending.push(change);
    this.growth += 1;
  }

  #done(call: number): void {
    const { node: number, covers } = this.#calls.get(call)!;
    this.#calls.delete(call);
    const node = this.nodes.get(number)!;
    if (node.kind === 'file') {
      const write = node.pending.find((one) => one.kind === 'write' && one.call === call);
      if (write?.kind === 'write') write.done = true;
      if (covers !== null) this.#settle(node, covers as readonly PendingBytes[]);
    } else if (covers !== null && covers.length > 0) {
      this.onShrink();
      const covered = new Set<PendingName>(covers as readonly PendingName[]);
      for (const event of node.pending) if (covered.has(event)) applyName(node.durable, event);
      node.pending = node.pending.filter((event) => !covered.has(event));
    }
  }

  #settle(file: FileNode, covers: readonly PendingBytes[]): void {
    if (covers.length === 0) return;
    this.onShrink();
    const covered = new Set(covers);
    for (const change of file.pending)
      if (covered.has(change)) file.durable = applyBytes(file.durable, change);
    file.pending = file.pending.filter((change) => !covered.has(change));
  }
}

/** Does nothing where the name that it changes is not there: the event that made it was lost. */
export function applyName(names: Map<string, number>, event: PendingName): void {
  switch (event.kind) {
    case 'create':
    case 'make-directory':
      names.set(event.name, event.node);
      return;
    case 'unlink':
      names.delete(event.name);
      return;
    case 'rename': {
      const node = names.get(event.from);
      if (node === undefined) return;
      names.delete(event.from);
      names.set(event.to, node);
    }
  }
}

function applyBytes(content: Uint8Array, change: PendingBytes): Uint8Array {
  if (change.kind === 'truncate') return resized(content, change.bytes);
  const end = change.offset + change.bytes.length;
  const target = end > content.length ? resized(content, end) : content;
  target.set(change.bytes, change.offset);
  return target;
}

/** A copy of so many bytes, zeros behind. */
export function resized(content: Uint8Array, bytes: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.set(content.length > bytes ? content.subarray(0, bytes) : content);
  return copy;
}

/** One event in words, for a report. */
export function describeEvent(event: DiskEvent): string {
  switch (event.kind) {
    case 'write':
      return `write ${event.call}: node ${event.node}, bytes ${event.offset} to ${event.offset + event.bytes.length}${event.synced ? ', synced' : ''}`;
    case 'store':
      return `store: node ${event.node}, bytes ${event.offset} to ${event.offset + event.bytes.length}`;
    case 'fence':
      return `fence: node ${event.node}, bytes ${event.from} to ${event.to}`;
    case 'truncate':
      return `truncate: node ${event.node} to ${event.bytes} bytes`;
    case 'sync':
      return `sync ${event.call}: node ${event.node}`;
    case 'done':
      return `done: ${event.call}`;
    case 'rename':
      return `rename: ${event.from} to ${event.to}`;
    case 'unlink':
      return `unlink: ${event.name}`;
    default:
      return `${event.kind}: ${event.name} is node ${event.node}`;
  }
}
