/**
 * `npm run fuzz`: throws bytes at everything that reads bytes from outside. arguments.ts has the options, targets/ what is
 * fuzzed, loop.ts how. Progress goes to standard error, results to standard output; exit code 1 where something was found.
 */

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArgumentError, type FuzzArguments, parseFuzzArguments, usage } from './arguments.js';
import { crashFolder, keptFolder, readCorpus, writeCorpus, writeInput } from './corpus.js';
import { judge } from './finding.js';
import {
  addonAbout,
  addonTarget,
  fuzzAddon,
  fuzzNative,
  type NativeOrder,
  nativeTargets,
  replayNative,
} from './native.js';
import { supervise } from './supervisor.js';
import { targetNamed, targets } from './targets/index.js';

/** One target's line of the result. */
interface Outcome {
  readonly target: string;
  readonly executions: number;
  readonly corpus: number;
  readonly functions: number;
  readonly wallSeconds: number;
  readonly skipped?: string;
  readonly finding?: {
    readonly kind: string;
    readonly message: string;
    readonly file: string;
    readonly replay: string;
  };
}

// This file runs from out/test/fuzz.
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const known: readonly string[] = [
  ...targets.map(({ name }) => name),
  ...Object.keys(nativeTargets),
  addonTarget,
  'canary',
];
const say = (line: string): void => void process.stderr.write(`${line}\n`);

async function fuzzScript(name: string, { seconds, seed, keep }: FuzzArguments): Promise<Outcome> {
  const folder = keptFolder(root, name);
  const result = await supervise({
    target: name,
    seed,
    seconds,
    keep,
    corpus: readCorpus(folder),
    onProgress: ({ executions, corpus, functions, characters }) =>
      say(
        `  ${name}: ${executions} runs, ${corpus} inputs, ${functions} functions, ${characters} characters`,
      ),
  });
  const { finding, minimised, executions, corpus, functions, wallMs } = result;
  const outcome = { target: name, executions, corpus, functions, wallSeconds: Math.round(wallMs) / 1000 };
  if (finding === null) {
    if (keep) writeCorpus(folder, minimised);
    return outcome;
  }
  const file = path.relative(root, writeInput(crashFolder(root), name, finding.input));
  const replay = `npm run fuzz -- --target ${name} --replay ${file}`;
  return { ...outcome, finding: { kind: finding.kind, message: finding.message, file, replay } };
}

async function fuzzCompiled(name: string, order: NativeOrder): Promise<Outcome> {
  const begun = performance.now();
  const result = name === addonTarget ? await fuzzAddon(order) : await fuzzNative(name, order);
  const wallSeconds = Math.round(performance.now() - begun) / 1000;
  return { target: name, functions: 0, wallSeconds, ...result };
}

function report({ target, executions, corpus, wallSeconds, skipped, finding }: Outcome): string {
  if (skipped !== undefined) return `${target}: skipped, ${skipped}`;
  const figures = `${executions} runs in ${wallSeconds} s, ${corpus} inputs kept`;
  if (finding === undefined) return `${target}: ${figures}: nothing found`;
  return `${target}: ${figures}: FOUND ${finding.kind}: ${finding.message}\n  replay: ${finding.replay}`;
}

async function fuzzAll(options: FuzzArguments): Promise<void> {
  const names = options.targets.length > 0 ? options.targets : known.filter((name) => name !== 'canary');
  const outcomes: Outcome[] = [];
  say(`seed ${options.seed}, ${options.seconds} s for each of ${names.join(', ')}`);
  for (const name of names) {
    const isScript = targetNamed(name) !== undefined;
    const outcome = await (isScript
      ? fuzzScript(name, options)
      : fuzzCompiled(name, { ...options, root, say }));
    outcomes.push(outcome);
    if (!options.json) process.stdout.write(`${report(outcome)}\n`);
  }
  const findings = outcomes.filter(({ finding }) => finding !== undefined).length;
  if (options.json) {
    const executions = outcomes.reduce((sum, outcome) => sum + outcome.executions, 0);
    process.stdout.write(
      `${JSON.stringify({ seed: options.seed, executions, findings, targets: outcomes })}\n`,
    );
  }
  if (findings > 0) process.exitCode = 1;
}

async function replay(options: FuzzArguments, name: string, file: string): Promise<void> {
  if (name === addonTarget)
    throw new ArgumentError('calls of the addon are replayed by --seed and --seconds');
  if (name in nativeTargets) {
    const { code, output } = await replayNative(name, file, { ...options, root, say });
    process.stdout.write(output);
    if (code !== 0) process.exitCode = 1;
    return;
  }
  const input = new Uint8Array(readFileSync(file));
  const features: string[] = [];
  const finding = await judge(targetNamed(name)!, input, (feature) => features.push(feature));
  process.stdout.write(`${input.length} bytes; ${features.join(', ')}\n`);
  if (finding === null) {
    process.stdout.write(`${name}: nothing found\n`);
    return;
  }
  process.stdout.write(`${name}: FOUND ${finding.kind}: ${finding.message}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const options = parseFuzzArguments(process.argv.slice(2), known);
  if (options.list) {
    for (const name of known)
      process.stdout.write(`${name}: ${targetNamed(name)?.about ?? nativeTargets[name] ?? addonAbout}\n`);
  } else if (options.replay !== null) await replay(options, options.targets[0]!, options.replay);
  else await fuzzAll(options);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof ArgumentError)) throw error;
  process.stderr.write(`${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
