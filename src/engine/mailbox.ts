/**
 * What the other thread has sent, in order. In the middle of a call (a turn of the engine, a command that is written, a decree that is executed)
 * only what is of memory is taken, which that call may need: an order to close, say, or a listener that writes a command, would break it.
 */

export interface MailboxOptions<Message> {
  /** The next one that has come, without waiting for the event loop. */
  readonly receive: () => { readonly message: Message } | undefined;
  readonly isOfMemory: (message: Message) => boolean;
  readonly take: (message: Message) => void;
  /** Calls back from the event loop. */
  readonly later: (call: () => void) => void;
}

export class Mailbox<Message> {
  readonly #options: MailboxOptions<Message>;
  #waiting: Message[] = [];
  #isDue = false;

  constructor(options: MailboxOptions<Message>) {
    this.#options = options;
  }

  /** From the event loop. */
  onMessage(message: Message): void {
    this.#waiting.push(message);
    this.takeAll();
  }

  /** In the middle of a call. What is of memory is taken in its order, also before others that came earlier. */
  hear(): void {
    const { isOfMemory, take, later } = this.#options;
    this.#receiveAll();
    const ofMemory = this.#waiting.filter(isOfMemory);
    this.#waiting = this.#waiting.filter((message) => !isOfMemory(message));
    if (this.#waiting.length > 0 && !this.#isDue) {
      this.#isDue = true;
      later(() => {
        this.#isDue = false;
        this.takeAll();
      });
    }
    for (const message of ofMemory) take(message);
  }

  /** All that has come so far. What is taken may have more wait, which comes behind all that there is. */
  takeAll(): void {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
      this.#options.take(next);
  }

  /** The other thread is gone: also all that it has sent and that the event loop has not brought yet. */
  takeRest(): void {
    this.#receiveAll();
    this.takeAll();
  }

  #receiveAll(): void {
    const { receive } = this.#options;
    for (let next = receive(); next !== undefined; next = receive()) this.#waiting.push(next.message);
  }
}
