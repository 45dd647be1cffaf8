/**
 * `npm run bench:compare A.json B.json`: what changed between two reports, or two runs of bench:cluster, beyond noise. A figure has
 * changed where the runs of one lie beyond all runs of the other and the medians are more than 5 per cent apart.
 */

import { readFileSync } from 'node:fs';
import { compareReports, readFigures } from './comparison.js';

const files = process.argv.slice(2);
if (files.length !== 2) {
  process.stderr.write('usage: npm run bench:compare -- A.json B.json\n');
  process.exit(2);
}
try {
  const [before, after] = files.map((file) => readFigures(JSON.parse(readFileSync(file, 'utf8')), file));
  process.stdout.write(compareReports(before!, after!));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(2);
}
