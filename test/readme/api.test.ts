/** Aim: docs/api.md has all that the package exports, and every member of what a service writes or holds. Method: names are looked up. */

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const textOf = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
const parse = (path: string): ts.SourceFile =>
  ts.createSourceFile(path, textOf(path), ts.ScriptTarget.ES2022, true);

const page = textOf('docs/api.md');
/** Words in code, `on(event, listener)` as `on`. */
const named = new Set(
  [...page.matchAll(/`([^`]+)`/g)].flatMap(([, code]) => code!.match(/[A-Za-z_]\w*/g) ?? []),
);
const missing = (names: readonly string[]): readonly string[] => names.filter((name) => !named.has(name));

function exportsOf(path: string): readonly string[] {
  return parse(path).statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) &&
    statement.exportClause !== undefined &&
    ts.isNamedExports(statement.exportClause)
      ? statement.exportClause.elements.map(({ name }) => name.text)
      : [],
  );
}

/** Members of an interface or class that its users see. */
function membersOf(path: string, name: string): readonly string[] {
  const declaration = parse(path).statements.find(
    (statement): statement is ts.InterfaceDeclaration | ts.ClassDeclaration =>
      (ts.isInterfaceDeclaration(statement) || ts.isClassDeclaration(statement)) &&
      statement.name?.text === name,
  )!;
  const members: readonly (ts.TypeElement | ts.ClassElement)[] = [...declaration.members];
  return members.flatMap((member) =>
    member.name !== undefined && ts.isIdentifier(member.name) ? [member.name.text] : [],
  );
}

it.each(['src/index.ts', 'src/client/index.ts'])('docs/api.md has what %s exports', (path) => {
  const names = exportsOf(path);
  expect(names.length).toBeGreaterThan(5);
  expect(missing(names)).toEqual([]);
});

it.each([
  ['src/state-machine.ts', 'StateMachine'],
  ['src/state-machine.ts', 'Decree'],
  ['src/state-machine.ts', 'CommandView'],
  ['src/application/replica-events.ts', 'ReplicaEvents'],
  ['src/application/replica-calls.ts', 'ReplicateOptions'],
  ['src/application/replica-calls.ts', 'ReadOptions'],
  ['src/application/membership.ts', 'ChangeOptions'],
  ['src/application/membership.ts', 'MemberSet'],
  ['src/histogram.ts', 'Histogram'],
  ['src/statistics.ts', 'Statistics'],
  ['src/client/client.ts', 'Client'],
  ['src/client/request.ts', 'ResultBatch'],
])('docs/api.md has every member that %s gives %s', (path, name) => {
  const members = membersOf(path, name);
  expect(members.length).toBeGreaterThan(1);
  expect(missing(members)).toEqual([]);
});

it('docs/api.md or the README has every call of a replica', () => {
  const readme = textOf('README.md');
  const calls = membersOf('src/replica.ts', 'Replica');
  expect(calls.length).toBeGreaterThan(20);
  expect(missing(calls).filter((name) => !new RegExp(`\\b${name}\\(`).test(readme))).toEqual([]);
});
