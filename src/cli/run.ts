/** One command line, from its arguments to its exit code. */

import { readFile } from 'node:fs/promises';
import { SynodError } from '../errors.js';
import type { Address } from '../transport/transport.js';
import type { Target } from './admin-arguments.js';
import { type Command, helpText, parseCommandLine, UsageError } from './arguments.js';
import { AskError } from './ask.js';
import { readConfigFile } from './config-file.js';
import type { Output } from './output.js';
import { fetchStatus } from './status.js';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
/** The command line or the configuration is wrong: the same call will never work. */
export const EXIT_USAGE = 2;

const STATUS_TIMEOUT_MS = 5000;

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Of the key-value service that is to be asked. */
async function addressOf({ config, host, port }: Target): Promise<Address> {
  return config === undefined ? { host, port: port! } : (await readConfigFile(config)).kv.listen;
}

async function execute(command: Command, output: Output): Promise<number> {
  switch (command.kind) {
    case 'help':
      output.line(helpText(command.command).trimEnd());
      return EXIT_OK;
    case 'version':
      output.line(await packageVersion());
      return EXIT_OK;
    case 'status': {
      const address = await addressOf(command);
      try {
        const report = await fetchStatus(address, STATUS_TIMEOUT_MS);
        output.line(JSON.stringify(report, null, process.stdout.isTTY ? 2 : 0));
        return EXIT_OK;
      } catch (error) {
        if (!(error instanceof AskError)) throw error;
        output.error(`synod: no status from ${address.host}:${address.port}: ${error.message}`);
        return EXIT_FAILED;
      }
    }
    case 'log':
      return await (await import('./log.js')).runLog(command, output);
    case 'member':
    case 'bootstrap':
    case 'promote':
    case 'relinquish':
    case 'protocol':
      return await (await import('./admin.js')).administer(command, await addressOf(command), output);
    case 'checkpoint':
    case 'replay':
    case 'recover':
      return await (await import('./tools.js')).runTool(command, output);
    // Only what runs is loaded: `status` needs neither the engine nor the addon.
    case 'serve':
      return await (await import('./serve.js')).serve(command);
    case 'cluster':
      return await (await import('./cluster.js')).runCluster(command, output);
  }
}

/** Runs a command line; never rejects. */
export async function run(args: readonly string[], output: Output): Promise<number> {
  try {
    return await execute(parseCommandLine(args), output);
  } catch (error) {
    if (error instanceof UsageError) {
      const help = error.command === undefined ? 'synod help' : `synod help ${error.command}`;
      output.error(`synod: ${error.message} (see "${help}")`);
      return EXIT_USAGE;
    }
    if (SynodError.is(error)) {
      output.error(`synod: ${error.message} (${error.code})`);
      return error.code === 'ERR_SYNOD_OPTION' ? EXIT_USAGE : EXIT_FAILED;
    }
    // A folder that cannot be made, say: where in this program it was tried tells nobody anything.
    if (error instanceof Error && (error as NodeJS.ErrnoException).syscall !== undefined) {
      output.error(`synod: ${error.message}`);
      return EXIT_FAILED;
    }
    output.error(`synod: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    return EXIT_FAILED;
  }
}
