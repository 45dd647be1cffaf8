/** One client of a benchmark, in a process of its own, told by its parent what to do. */

import { Client, type ClientOptions } from 'synod/client';
import { drive, type LoadResult, type LoadSettings } from './load.js';

export type ClientCommand =
  | { readonly kind: 'connect'; readonly options: ClientOptions }
  | { readonly kind: 'load'; readonly settings: LoadSettings }
  | { readonly kind: 'usage' }
  | { readonly kind: 'close' };

export type ClientReport =
  | { readonly kind: 'connected' }
  | { readonly kind: 'loaded'; readonly result: LoadResult }
  | { readonly kind: 'usage'; readonly cpuSeconds: number }
  | { readonly kind: 'closed' }
  | { readonly kind: 'failed'; readonly message: string };

let client: Client | null = null;

function send(report: ClientReport): void {
  process.send!(report);
}

async function obey(command: ClientCommand): Promise<void> {
  switch (command.kind) {
    case 'connect':
      client = await Client.connect(command.options);
      send({ kind: 'connected' });
      break;
    case 'load': {
      const target = client!;
      const result = await drive(
        { one: (bytes) => target.replicate(bytes), many: (commands) => target.replicateBatch(commands) },
        command.settings,
      );
      send({ kind: 'loaded', result });
      break;
    }
    case 'usage': {
      const { user, system } = process.cpuUsage();
      send({ kind: 'usage', cpuSeconds: (user + system) / 1e6 });
      break;
    }
    case 'close':
      await client!.close();
      send({ kind: 'closed' });
      process.disconnect();
      break;
    default:
      command satisfies never;
  }
}

process.on('message', (command: ClientCommand) => {
  obey(command).catch((error: unknown) => send({ kind: 'failed', message: String(error) }));
});
process.on('disconnect', () => process.exit(0));
