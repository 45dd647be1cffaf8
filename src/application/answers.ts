/** Answers of the application to questions of the engine, which asks while it is being opened already: they wait until it can be told. */
export class Answers<Answer> {
  #untold: Answer[] = [];
  #tell: ((answer: Answer) => void) | null = null;

  /** It can be told from here on. */
  open(tell: (answer: Answer) => void): void {
    this.#tell = tell;
    for (const answer of this.#untold.splice(0)) tell(answer);
  }

  give(answer: Answer): void {
    if (this.#tell === null) this.#untold.push(answer);
    else this.#tell(answer);
  }
}
