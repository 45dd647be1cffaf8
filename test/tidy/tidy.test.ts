/** The project keeps its own rules. Each failure names file and line. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import {
  checkImports,
  checkLeftovers,
  checkLinks,
  checkPurity,
  checkText,
  checkTypes,
  codeBlock,
  type Finding,
  findCycles,
  type SourceFile,
} from './checker.js';
import { importRules, pureFolders } from './rules.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const mine = 'test/tidy/';

function list(folder: string, pattern: RegExp): readonly string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'fixtures' ? [] : list(path, pattern);
    return pattern.test(entry.name) ? [path] : [];
  });
}

const load = (paths: readonly string[]): readonly SourceFile[] =>
  paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const source = load(list('src', /\.ts$/));
const typescript = [...source, ...load(list('test', /\.ts$/)), ...load(list('bench', /\.ts$/))];
const scripts = load(list('scripts', /\.mjs$/));
const native = load(list('native', /\.(cc|h)$/));
const rootDocuments = readdirSync(root).filter((name) => name.endsWith('.md'));
const documents = load([...rootDocuments, ...list('docs', /\.md$/)]);

const show = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ path, line, message }) => `${path}:${line}: ${message}`);

it('has files to check', () => {
  expect(source.length).toBeGreaterThan(20);
  expect(documents.length).toBeGreaterThan(3);
});

it('imports go one way', () => {
  expect(show(checkImports(source, importRules))).toEqual([]);
});

it('every import rule is about something that is there', () => {
  const names = source.map((file) => file.path.replace(/^src\//, '').replace(/\.ts$/, ''));
  const idle = importRules
    .map((rule) => rule.of.replace(/\/\*$/, ''))
    .filter((of) => !names.some((name) => name === of || name.startsWith(`${of}/`)));
  expect(idle).toEqual([]);
});

it('no two rooms of src/ need each other to load', () => {
  expect(findCycles(source, 'rooms').map((cycle) => cycle.join(' -> '))).toEqual([]);
});

it('no two files need each other to load', () => {
  expect(findCycles(source, 'files').map((cycle) => cycle.join(' -> '))).toEqual([]);
});

it('pure folders use no clock, no chance, no promise and no process', () => {
  const pure = source.filter((file) => pureFolders.some((folder) => file.path.startsWith(`src/${folder}/`)));
  expect(pure.length).toBeGreaterThan(5);
  expect(show(pure.flatMap(checkPurity))).toEqual([]);
});

it('nothing is left behind', () => {
  expect(
    show([...typescript, ...scripts].filter((file) => !file.path.startsWith(mine)).flatMap(checkLeftovers)),
  ).toEqual([]);
});

it('types say something', () => {
  expect(show(typescript.filter((file) => !file.path.startsWith(mine)).flatMap(checkTypes))).toEqual([]);
});

it('files have one job and travel well', () => {
  expect(show([...typescript, ...scripts, ...native].flatMap(checkText))).toEqual([]);
});

it('native code without N-API stays without it', () => {
  const plain = native.filter((file) => !/^native\/(binding\/|addon\.cc)/.test(file.path));
  const including = plain.filter((file) => /#include\s*[<"](napi|node_api|js_native_api)/.test(file.text));
  expect(including.map((file) => file.path)).toEqual([]);
});

it('links in documents lead somewhere', () => {
  const exists = (path: string): boolean => existsSync(join(root, path));
  const textOf = (path: string): string | null =>
    exists(path) && statSync(join(root, path)).isFile() ? readFileSync(join(root, path), 'utf8') : null;
  expect(show(documents.flatMap((file) => checkLinks(file, exists, textOf)))).toEqual([]);
});

it('the example in the README is the one that is run as a test', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const example = readFileSync(join(root, 'test/readme/example.ts'), 'utf8');
  // The test's copy imports from src/; readers import the package.
  expect(codeBlock(readme, 'Example', 'ts')).toBe(example.replace(/'(\.\.\/)+src\/index\.js'/, "'synod'"));
});

it('folders of test/ mirror rooms that exist', () => {
  const rooms = new Set([
    'bench',
    'cluster',
    'conformance',
    'contract-cost',
    'contracts',
    'crash-states',
    'explorer',
    'format',
    'fuzz',
    'golden',
    'history',
    'mutants',
    'native',
    'options',
    'properties',
    'readme',
    'replica',
    'rsl',
    'scripts',
    'simulation',
    'statistics',
    'torture',
    'tidy',
    'turmoil',
  ]);
  for (const entry of readdirSync(join(root, 'src'), { withFileTypes: true })) {
    if (entry.isDirectory()) rooms.add(entry.name);
  }
  const folders = readdirSync(join(root, 'test'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect(folders.map((entry) => entry.name).filter((name) => !rooms.has(name))).toEqual([]);
});

it('the root holds what a reader looks for there, and nothing that a command left behind', () => {
  const ignored = readFileSync(join(root, '.gitignore'), 'utf8').split('\n');
  const known =
    /^(\.ci|\.git(ignore|attributes)?|bench|docs|native|scripts|src|test|[\w.-]+\.(json|md|gyp|txt|config\.ts)|LICENSE)$/;
  const strange = readdirSync(root).filter(
    (name) => !known.test(name) && !ignored.includes(`${name}/`) && !/^dist\.|\.(tgz|log)$/.test(name),
  );
  expect(strange).toEqual([]);
});
