/** A network of proxies between replicas on the loopback: needs no root, and can hurt what TCP carries. */

import { BlockedPairs, type LinkTrouble, type Network } from './network.js';
import { ProxyLink } from './proxy-link.js';

interface Between {
  /** The greater id dials (src/engine/links.ts). */
  readonly dialler: string;
  readonly acceptor: string;
  readonly link: ProxyLink;
}

const HOST = '127.0.0.1';

export class ProxyNetwork implements Network {
  readonly kind = 'proxy';
  readonly troubles: readonly LinkTrouble[] = ['delay', 'flip', 'reset'];

  readonly #peerPortOf: (id: string) => number;
  readonly #between: Between[] = [];
  readonly #blocked: BlockedPairs;
  #resetAtHeal = false;

  constructor(peerPortOf: (id: string) => number) {
    this.#peerPortOf = peerPortOf;
    this.#blocked = new BlockedPairs((from, to, blocked) => {
      const between = this.#find(from, to);
      between.link.setStalled(from === between.dialler ? 'forth' : 'back', blocked);
      // Every other partition ends with broken connections, the rest with very late delivery.
      if (!blocked) {
        this.#resetAtHeal = !this.#resetAtHeal;
        if (this.#resetAtHeal) between.link.reset();
      }
    });
  }

  async open(ids: readonly string[]): Promise<void> {
    for (const acceptor of ids) {
      for (const dialler of ids) {
        if (dialler <= acceptor) continue;
        const link = await ProxyLink.listen({ host: HOST, port: this.#peerPortOf(acceptor) });
        this.#between.push({ dialler, acceptor, link });
      }
    }
  }

  hostOf(): string {
    return HOST;
  }

  addressOf(from: string, to: string): string {
    const between = from === to ? null : this.#find(from, to);
    const port = between?.dialler === from ? between.link.port : this.#peerPortOf(to);
    return `${HOST}:${port}`;
  }

  commandOf(): readonly string[] {
    return [];
  }

  block(from: string, to: string): void {
    this.#blocked.block(from, to);
  }

  unblock(from: string, to: string): void {
    this.#blocked.unblock(from, to);
  }

  trouble(kind: LinkTrouble, from: string, to: string | null, amount: number): void {
    for (const { dialler, link } of this.#touched(from, to)) {
      const direction = dialler === from ? 'forth' : 'back';
      if (kind === 'delay') link.setDelay(amount);
      else if (kind === 'flip') link.flip(direction, amount);
      else if (kind === 'reset') link.cut(direction, amount);
    }
  }

  calm(kind: LinkTrouble, from: string, to: string | null): void {
    if (kind === 'delay') for (const { link } of this.#touched(from, to)) link.setDelay(0);
  }

  dispose(): void {
    for (const { link } of this.#between.splice(0)) link.close();
  }

  #touched(from: string, to: string | null): readonly Between[] {
    if (to !== null) return [this.#find(from, to)];
    return this.#between.filter(({ dialler, acceptor }) => dialler === from || acceptor === from);
  }

  #find(one: string, other: string): Between {
    const [acceptor, dialler] = one < other ? [one, other] : [other, one];
    return this.#between.find((each) => each.acceptor === acceptor && each.dialler === dialler)!;
  }
}
