/** A state machine in a module of its own, as `synod replay --state-machine` takes it: counts and sums up what it is given. */
export class Counter {
  count = 0;
  sum = 0;
  /** Throws at the command of this number. */
  poison = -1;

  apply(decree) {
    for (let index = 0; index < decree.count; index += 1) {
      this.count += 1;
      if (this.count === this.poison) throw new Error('poisoned');
      for (const byte of decree.command(index)) this.sum = (this.sum * 31 + byte) % 1_000_000_007;
      decree.reply(index, this.count);
    }
  }

  digest() {
    return `${this.count} ${this.sum}`;
  }

  takeCheckpoint() {
    return [Buffer.from(`${this.count} `), Buffer.from(`${this.sum}`)];
  }

  async restore(state) {
    const pieces = [];
    for await (const piece of state) pieces.push(piece);
    [this.count, this.sum] = Buffer.concat(pieces).toString().split(' ').map(Number);
  }
}

export default Counter;
