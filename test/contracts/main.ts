/** `npm run contracts`: writes docs/contracts.md. */

import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { findContracts } from './finder.js';
import { makePage } from './page.js';

if (process.argv.length > 2) {
  process.stderr.write('usage: npm run contracts\n');
  process.exitCode = 2;
} else {
  const root = process.cwd();
  writeFileSync(path.join(root, 'docs/contracts.md'), makePage(root));
  process.stdout.write(`docs/contracts.md: ${findContracts(root).contracts.length} contracts\n`);
}
