/**
 * The typed face of the addon's io_uring part. Linux only: elsewhere the functions are missing. Used through
 * `UringLoop` alone, which keeps the rules that the types cannot say.
 */

export interface UringProbe {
  /** What the kernel answered where there is no usable io_uring: with `code`, `errno` and `syscall`. */
  readonly error: NodeJS.ErrnoException | null;
  /** Empty, or the first thing that log files need and this kernel lacks. */
  readonly missingForFiles: string;
  /** The same for sockets. */
  readonly missingForSockets: string;
  /** Receive buffers are filled in several pieces. */
  readonly incrementalBuffers: boolean;
}

export interface UringAddon {
  /** Opens a ring, uses it and closes it. */
  probeUring?(): UringProbe;
  /** A ring in this thread's loop. `wake(count)` is called with so many rows in `events`. Throws what the kernel says. */
  createUring?(wake: (count: number) => void): NativeUring;
  /** Multiples that O_DIRECT transfers of the file must have; 0: not possible; null: the kernel does not tell. */
  readDirectIoAlignment?(path: string): { readonly memory: number; readonly offset: number } | null;
  /** The address of the first byte modulo `modulus`. */
  addressModulo?(bytes: Uint8Array, modulus: number): number;
  /** Layout of the shared arrays, for comparing. */
  readonly uringConstants?: Readonly<Record<string, number>>;
}

/** After `close` the methods do nothing. The arrays are shared with C++. */
export interface NativeUring {
  /** Rows of `uringLayout.eventFields`: what happened. Valid during `wake`. */
  readonly events: Int32Array;
  /** Holds per receive buffer. Whoever takes the last one away puts the buffer into `returns`. */
  readonly holds: Int32Array;
  /** Per socket: bytes that the kernel took since it stands. */
  readonly bytesSent: Float64Array;
  /** Rows of `uringLayout.sendFields`: socket, memory or -1 for `staging`, offset, length. */
  readonly sends: Float64Array;
  /** Headers on their way to C++, which copies them. */
  readonly staging: Uint8Array;
  /** Receive buffers that nobody holds any more. */
  readonly returns: Int32Array;

  /** Takes so many rows of `sends` and elements of `returns`; then, with `submit`, one system call sends it all off. */
  flush(sendCount: number, returnCount: number, submit: boolean): void;
  /** An id for the memory, for as long as it is not unregistered. The caller keeps it alive while it is used. */
  registerMemory(bytes: Uint8Array): number;
  unregisterMemory(id: number): void;
  /** Once, before sockets. Yields whether buffers are filled in several pieces. */
  openPool(incremental: boolean, bufferBytes: number): boolean;
  /** Cuts receive buffers from the memory, which is kept alive until `close`. */
  addReceiveMemory(bytes: Uint8Array): void;
  listen(host: string, port: number, backlog: number): number;
  connect(host: string, port: number): number;
  acceptAgain(socket: number): void;
  closeSocket(socket: number): void;
  setReceiving(socket: number, receiving: boolean): void;
  addressOf(socket: number, otherEnd: boolean): { readonly host: string; readonly port: number } | undefined;
  /** Yields the token of the event. `synced`: durable when it comes. */
  write(
    fd: number,
    memory: number,
    memoryOffset: number,
    length: number,
    fileOffset: number,
    synced: boolean,
  ): number;
  sync(fd: number): number;
  /** Waits for what is in flight. Idempotent. */
  close(): void;
}

/** What the shared arrays look like. Compared with the addon before it is used. */
export const uringLayout = {
  eventFields: 5,
  eventRows: 1024,
  eventAccepted: 1,
  eventAcceptStopped: 2,
  eventConnected: 3,
  eventReceived: 4,
  eventSent: 5,
  eventClosed: 6,
  eventStarved: 7,
  eventWritten: 8,
  sendFields: 4,
  sendRows: 1024,
  stagingBytes: 65_536,
  buffersMax: 1024,
  socketsMax: 4096,
} as const;
