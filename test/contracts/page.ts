/** docs/contracts.md, made from src/, docs/protocol.md and the tests. */

import { type Contract, findContracts, findRules, findTrips } from './finder.js';
import { meanings } from './meanings.js';

const head = `# Contracts

Conditions that hold unless Synod itself is wrong. A broken one stops the replica (\`ERR_SYNOD_CONTRACT\`); its name is in the error, and
leads here. This page is made by \`npm run contracts\`; a test fails where it is not up to date.

- **requires** is checked on entry, **ensures** on exit, **invariant** at any time.
- **a peer owes**: checked of every message before it changes anything. A peer that breaks it is cut off, and this replica goes on. In
  tests, where every peer is this code too, it is a broken contract like any other.
- What is checked in \`protocol/invariants.ts\` walks over the whole state after each step, in tests and simulations only: \`contracts.level\`
  in \`src/contracts.ts\`, or \`SYNOD_CONTRACTS=full\` in the environment of a process.

\`npm run build -- --without-contracts\` compiles them out, condition and all; what a peer owes, and errors about what a disk holds, stay.
[performance.md](performance.md) has what that gains.

Each is tripped on purpose, by a state or an input that cannot be, in the test that stands beside it.
`;

/** Where a contract belongs that no rule of the protocol names: by the beginning of its first file. */
const rooms: readonly (readonly [prefix: string, heading: string])[] = [
  ['log/', 'Log format: [storage-format.md](storage-format.md)'],
  ['engine/', 'Engine and application: [architecture.md](architecture.md)'],
  ['application/', 'Engine and application: [architecture.md](architecture.md)'],
  ['storage/', 'Media: [storage-format.md](storage-format.md)'],
  ['checksum', 'Media: [storage-format.md](storage-format.md)'],
  ['transport/', 'Transports and the ring: [wire-format.md](wire-format.md)'],
  ['native/', 'Transports and the ring: [wire-format.md](wire-format.md)'],
  ['', 'Bounds and unions: [configuration.md](configuration.md)'],
];

function roomOf({ name, files }: Contract): string {
  if (name === 'complete-dispatch') return rooms.at(-1)![1];
  return rooms.find(([prefix]) => files[0]!.startsWith(prefix))![1];
}

function row({ name, kinds, files }: Contract, trips: ReadonlyMap<string, string>): string {
  const where = files.map((file) => `\`${file}\``).join(', ');
  return `| \`${name}\` | ${kinds.join(', ')} | ${meanings[name] ?? '?'} | ${where} | \`${trips.get(name) ?? '?'}\` |`;
}

export function makePage(root: string): string {
  const { contracts } = findContracts(root);
  const trips = findTrips(root);
  const byName = new Map(contracts.map((contract) => [contract.name, contract]));
  const sections = new Map<string, Contract[]>();
  for (const { heading, names } of findRules(root)) {
    const anchor = heading
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-');
    const title = `[${heading}](protocol.md#${anchor})`;
    sections.set(title, []);
    for (const name of names) {
      const contract = byName.get(name);
      if (contract !== undefined) sections.get(title)!.push(contract);
      byName.delete(name);
    }
  }
  for (const [, heading] of rooms) sections.set(heading, []);
  for (const contract of byName.values()) sections.get(roomOf(contract))!.push(contract);
  let text = head;
  for (const [heading, some] of sections) {
    text += `\n## ${heading}\n\n| contract | kind | it says | checked in src/ | tripped in |\n|---|---|---|---|---|\n`;
    for (const contract of some) text += `${row(contract, trips)}\n`;
  }
  return text;
}
