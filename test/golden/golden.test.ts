/**
 * Whole conversations as text. Each file is a script: a command, then `----`, then what happened, up to the next empty
 * line. `UPDATE_GOLDEN=1 npx vitest run --project unit test/golden` writes down what happens now; read the difference.
 */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { Stage } from './stage.js';

const folder = fileURLToPath(new URL('.', import.meta.url));
const SEPARATOR = '----';

/** The script played again: comments and commands as they are, what happened made anew. */
function play(script: string): string {
  const stage = new Stage();
  const lines = script.split('\n');
  const played: string[] = [];
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at]!;
    if (line.trim() === '' || line.startsWith('#')) {
      played.push(line);
      continue;
    }
    played.push(line, SEPARATOR, ...stage.run(line.trim()));
    if (lines[at + 1] === SEPARATOR) {
      at += 1;
      while (at + 1 < lines.length && lines[at + 1]!.trim() !== '') at += 1;
    }
  }
  return played.join('\n');
}

const names = readdirSync(folder).filter((name) => name.endsWith('.txt'));

it('there are conversations', () => {
  expect(names.length).toBeGreaterThanOrEqual(9);
});

for (const name of names) {
  it(name, () => {
    const path = join(folder, name);
    const script = readFileSync(path, 'utf8');
    const played = play(script);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, played);
    else expect(played).toBe(script);
  });
}
