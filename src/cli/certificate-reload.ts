/** SIGHUP, where the replicas speak TLS: certificates, keys and authorities are read again, from the configuration file as it is now. */

import { SynodError } from '../errors.js';
import type { Logger } from '../logger.js';
import type { Replica } from '../replica.js';
import { readConfigFile } from './config-file.js';

export class CertificateReload {
  readonly #path: string;
  readonly #logger: Logger;
  /** Null until it is open. */
  #replica: Pick<Replica, 'setTls'> | null = null;
  #isDue = false;
  /** One after the other: what was read last must count. */
  #reading: Promise<void> = Promise.resolve();
  readonly #listener = (): void => {
    const replica = this.#replica;
    if (replica === null) this.#isDue = true;
    else this.#reading = this.#reading.then(() => this.#reload(replica));
  };

  /** Listens from here on: without it the signal ends the process. */
  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
    process.on('SIGHUP', this.#listener);
  }

  /** The replica is open. It may have read the old ones, where the signal came meanwhile. */
  attach(replica: Pick<Replica, 'setTls'>): void {
    this.#replica = replica;
    if (this.#isDue) this.#listener();
  }

  release(): void {
    process.off('SIGHUP', this.#listener);
  }

  async #reload(replica: Pick<Replica, 'setTls'>): Promise<void> {
    try {
      const { options } = await readConfigFile(this.#path);
      const tls = options.transport?.tls;
      if (tls === undefined)
        throw new SynodError('ERR_SYNOD_OPTION', `${this.#path} has no transport.tls any more`, {
          path: 'transport.tls',
        });
      replica.setTls(tls);
      this.#logger.info({}, 'certificates read again');
    } catch (error) {
      this.#logger.error({ error }, 'certificates not read again, the ones before stay');
    }
  }
}
