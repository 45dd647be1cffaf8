/** `synod serve`: one replica and its key-value service in the foreground, until it is told to stop or is fenced. */

import { KeyValueServer } from '../kv/server.js';
import { KeyValueStateMachine } from '../kv/state-machine.js';
import { createLogger, type Logger } from '../logger.js';
import { Replica } from '../replica.js';
import { formatAddress } from '../transport/address.js';
import type { ServeCommand } from './arguments.js';
import { CertificateReload } from './certificate-reload.js';
import { type ConfigFile, readConfigFile, serviceOptions } from './config-file.js';
import { handleSignals } from './signals.js';

/** A replica that takes longer to close will not: what it has acknowledged is durable, and its ports are wanted. */
const CLOSE_MS_MAX = 20_000;

interface Stop {
  readonly reason: string;
  readonly error?: unknown;
}

/** Resolves with the exit code, once everything is closed. */
export async function serve(command: ServeCommand): Promise<number> {
  const config = await readConfigFile(command.config);
  const logger = createLogger({ replica: config.options.replica, level: command.logLevel });

  let stop: (stop: Stop) => void = () => {};
  const stopped = new Promise<Stop>((resolve) => {
    stop = resolve;
  });
  // Before the replica opens: recovery of a long log takes a while, and a signal in it is to be obeyed too.
  const release = handleSignals({
    onStop: (signal) => stop({ reason: signal }),
    onForce: () => logger.warn({}, 'exit without closing'),
  });
  const certificates =
    config.options.transport?.tls === undefined ? null : new CertificateReload(command.config, logger);
  if (command.stopWithStdin) {
    process.stdin.on('end', () => stop({ reason: 'standard input ended' }));
    process.stdin.on('error', () => stop({ reason: 'standard input ended' }));
    process.stdin.resume();
  }
  try {
    return await serveUntil(stopped, stop, config, certificates, logger);
  } finally {
    if (command.stopWithStdin) process.stdin.destroy();
    release();
    certificates?.release();
  }
}

async function serveUntil(
  stopped: Promise<Stop>,
  stop: (stop: Stop) => void,
  config: ConfigFile,
  certificates: CertificateReload | null,
  logger: Logger,
): Promise<number> {
  const stateMachine = new KeyValueStateMachine();
  const opening = Replica.open({ ...config.options, logger }, stateMachine);
  const opened = await Promise.race([opening, stopped]);
  if (!(opened instanceof Replica)) {
    // A long log is being recovered, or a full disk waited for: nothing was told to anyone yet that a close could keep.
    logger.info({ reason: opened.reason }, 'stopped while opening');
    opening.catch(() => {});
    return 0;
  }
  const replica = opened;
  replica.on('fenced', (error) => stop({ reason: 'fenced', error }));
  certificates?.attach(replica);
  const server = new KeyValueServer(
    replica,
    {
      ...serviceOptions(config),
      onEvent: ({ event, ...fields }) => logger.warn(fields, `key-value service: ${event}`),
    },
    stateMachine,
  );
  try {
    const address = await server.listen(config.kv.listen);
    const { storage, transport } = await replica.status();
    logger.info({ pid: process.pid, kv: formatAddress(address), storage, transport }, 'serving');
    const { reason, error } = await stopped;
    if (error === undefined) {
      logger.info({ reason }, 'closing');
      return 0;
    }
    // A fenced replica answers nobody: with the process gone, clients go to another one, and whoever supervises this
    // one gets to know.
    logger.fatal({ error }, 'replica fenced');
    return 1;
  } finally {
    const hanging = setTimeout(() => {
      logger.fatal({ ms: CLOSE_MS_MAX }, 'closing did not end, exit without it');
      process.exit(1);
    }, CLOSE_MS_MAX);
    await server.close();
    await replica.close();
    clearTimeout(hanging);
    logger.info({}, 'closed');
  }
}
