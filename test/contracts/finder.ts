/** Finds the contracts in src/, the rules that docs/protocol.md gives them to, and the tests that trip them. */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

export type ContractKind = 'requires' | 'ensures' | 'invariant' | 'a peer owes';

export interface Contract {
  readonly name: string;
  readonly kinds: readonly ContractKind[];
  /** Below src/. */
  readonly files: readonly string[];
}

/** A call that says no name that can be read, or has an effect that would be missing where contracts are left out. */
export interface BadCall {
  readonly place: string;
  readonly why: string;
}

const kinds: ReadonlyMap<string, ContractKind> = new Map([
  ['requires', 'requires'],
  ['ensures', 'ensures'],
  ['invariant', 'invariant'],
  ['peerOwes', 'a peer owes'],
]);

function sourceFiles(root: string, folder: string): ts.SourceFile[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .sort()
    .map((file) =>
      ts.createSourceFile(
        file,
        readFileSync(path.join(root, folder, file), 'utf8'),
        ts.ScriptTarget.ES2022,
        true,
      ),
    );
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

function changesSomething(condition: ts.Expression): boolean {
  let found = false;
  visit(condition, (node) => {
    if (ts.isBinaryExpression(node)) {
      const { kind } = node.operatorToken;
      if (kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment) found = true;
    }
    if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      if (node.operator === ts.SyntaxKind.PlusPlusToken || node.operator === ts.SyntaxKind.MinusMinusToken)
        found = true;
    }
    if (ts.isAwaitExpression(node) || ts.isYieldExpression(node) || ts.isDeleteExpression(node)) found = true;
  });
  return found;
}

export function findContracts(root: string): { contracts: Contract[]; bad: BadCall[] } {
  const found = new Map<string, { kinds: Set<ContractKind>; files: Set<string> }>();
  const bad: BadCall[] = [];
  const note = (name: string, kind: ContractKind, file: string): void => {
    const one = found.get(name) ?? { kinds: new Set(), files: new Set() };
    found.set(name, one);
    one.kinds.add(kind);
    one.files.add(file);
  };
  for (const source of sourceFiles(root, 'src')) {
    if (source.fileName === 'contracts.ts') continue;
    visit(source, (node) => {
      if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return;
      if (node.expression.text === 'unreachable') note('complete-dispatch', 'invariant', source.fileName);
      const kind = kinds.get(node.expression.text);
      if (kind === undefined) return;
      const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      const place = `src/${source.fileName}:${line}`;
      const [condition, name] = node.arguments;
      if (name === undefined || !ts.isStringLiteral(name)) bad.push({ place, why: 'its name is no text' });
      else note(name.text, kind, source.fileName);
      if (condition !== undefined && changesSomething(condition))
        bad.push({ place, why: 'its condition changes something' });
      if (kind !== 'a peer owes' && !ts.isExpressionStatement(node.parent))
        bad.push({ place, why: 'it is no statement of its own' });
    });
  }
  const contracts = [...found].map(([name, one]) => ({
    name,
    kinds: [...kinds.values()].filter((kind) => one.kinds.has(kind)),
    files: [...one.files],
  }));
  return { contracts: contracts.sort((a, b) => (a.name < b.name ? -1 : 1)), bad };
}

/** The headings of docs/protocol.md, with the contracts that each names. */
export function findRules(root: string): { heading: string; names: string[] }[] {
  const rules: { heading: string; names: string[] }[] = [];
  let heading = '';
  let paragraph = '';
  const text = readFileSync(path.join(root, 'docs/protocol.md'), 'utf8');
  for (const line of [...text.split('\n'), '']) {
    if (/^##+ /.test(line)) heading = line.replace(/^#+ /, '');
    if (line !== '') {
      paragraph += `${line} `;
      continue;
    }
    if (paragraph.startsWith('Contracts:'))
      rules.push({ heading, names: [...paragraph.matchAll(/`([a-z0-9-]+)`/g)].map(([, name]) => name!) });
    paragraph = '';
  }
  return rules;
}

/** Rooms of test/ that attack the whole: what trips there is no test of one contract. */
const wholes =
  /^(contracts|cluster|crash-states|explorer|fuzz|golden|history|mutants|properties|simulation|torture|turmoil)\//;

/**
 * The test that trips each contract: it compares the broken one with the name (`toBe`, `toThrow`, `it` of that name), or
 * the name begins a row of its table.
 */
export function findTrips(root: string): Map<string, string> {
  const trips = new Map<string, string>();
  for (const source of sourceFiles(root, 'test')) {
    if (wholes.test(source.fileName)) continue;
    visit(source, (node) => {
      const name = ts.isStringLiteral(node)
        ? node.text
        : ts.isRegularExpressionLiteral(node)
          ? node.text.slice(1, -1)
          : null;
      if (name === null || trips.has(name) || !isExpectation(node)) return;
      trips.set(name, `test/${source.fileName}`);
    });
  }
  return trips;
}

function isExpectation(node: ts.Node): boolean {
  const { parent } = node;
  if (ts.isArrayLiteralExpression(parent)) return parent.elements.some((element) => element === node);
  return (
    ts.isCallExpression(parent) &&
    ts.isPropertyAccessExpression(parent.expression) &&
    ['toBe', 'toThrow'].includes(parent.expression.name.text)
  );
}
