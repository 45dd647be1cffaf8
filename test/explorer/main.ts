/** `npm run explore`: explores scopes one after the other and prints what was found. */

import { contracts } from '../../src/contracts.js';
import { parseRequest, type Request, usage } from './arguments.js';
import { OpeningError } from './cluster.js';
import type { Exploration, Progress } from './explorer.js';
import { explore } from './explorer.js';

interface Line extends Exploration {
  readonly scope: string;
  readonly seconds: number;
}

function main(): number {
  let request: Request | 'help';
  try {
    request = parseRequest(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}`);
    return 2;
  }
  if (request === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  const { json, minutes, statesMax } = request;
  const deadline = Date.now() + minutes * 60_000;
  const lines: Line[] = [];
  if (!json) process.stdout.write(`${heading}\n`);
  for (const scope of request.scopes) {
    const began = Date.now();
    const seconds = (): number => (Date.now() - began) / 1000;
    const onProgress = (progress: Progress): void => showProgress(scope.name, seconds(), progress);
    let exploration: Exploration;
    try {
      exploration = explore(scope, { onProgress }, { statesMax, deadline });
    } catch (error) {
      if (!(error instanceof OpeningError)) throw error;
      process.stderr.write(
        `${error.message}\nMend its opening in test/explorer/scopes.ts: the protocol no longer goes that way.\n`,
      );
      return 3;
    }
    const line = { scope: scope.name, ...exploration, seconds: seconds() };
    clearProgress();
    lines.push(line);
    if (!json) process.stdout.write(`${row(line)}\n`);
    if (line.violation !== null) break;
  }
  const violated = lines.find(({ violation }) => violation !== null);
  const total = {
    states: sum(lines, 'states'),
    transitions: sum(lines, 'transitions'),
    depth: Math.max(...lines.map(({ depth }) => depth)),
    violations: violated === undefined ? 0 : 1,
    complete: lines.every(({ complete }) => complete) && lines.length === request.scopes.length,
    seconds: sum(lines, 'seconds'),
  };
  if (json) process.stdout.write(`${JSON.stringify({ ...total, scopes: lines })}\n`);
  else {
    process.stdout.write(
      `${total.states.toLocaleString('en')} states, ${total.transitions.toLocaleString('en')} transitions, depth ${total.depth}, ` +
        `violations: ${total.violations}${total.complete ? '' : '; not all to the end'}\n`,
    );
  }
  if (violated === undefined) return 0;
  const out = json ? process.stderr : process.stdout;
  out.write(`scope ${violated.scope}:\n${violated.violation!.trace.join('\n')}\n`);
  return 1;
}

const heading = `${'scope'.padEnd(22)}${['states', 'transitions', 'depth', 'slots', 'seconds'].map((name) => name.padStart(13)).join('')}`;

function row({ scope, states, transitions, depth, slotsChosen, seconds, complete, violation }: Line): string {
  const figures = [states, transitions, depth, slotsChosen].map((figure) =>
    figure.toLocaleString('en').padStart(13),
  );
  const end = violation === null ? (complete ? '' : '  not complete') : `  violated: ${violation.property}`;
  return `${scope.padEnd(22)}${figures.join('')}${seconds.toFixed(1).padStart(13)}${end}`;
}

function sum(lines: readonly Line[], figure: 'states' | 'transitions' | 'seconds'): number {
  return lines.reduce((total, line) => total + line[figure], 0);
}

function showProgress(scope: string, seconds: number, { states, waiting, depth, bytes }: Progress): void {
  const text =
    `${scope}: ${states.toLocaleString('en')} states, ${waiting.toLocaleString('en')} to go on from, depth ${depth}, ` +
    `${(bytes / 2 ** 20).toFixed(0)} MiB, ${seconds.toFixed(0)} s`;
  process.stderr.write(process.stderr.isTTY ? `\r${text}   ` : `${text}\n`);
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${' '.repeat(100)}\r`);
}

contracts.level = 'full';
process.exitCode = main();
