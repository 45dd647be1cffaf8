/**
 * Checks source text against the rules of this project. Every function takes text and gives findings, so that
 * each check is tried on bad samples (`checker.test.ts`) and not only on files that are right.
 */

import { posix } from 'node:path';
import ts from 'typescript';
import { type ImportRule, impureNames, LINES_MAX, packageRules } from './rules.js';

export interface SourceFile {
  /** From the root of the project, with slashes: `src/log/format.ts`. */
  readonly path: string;
  readonly text: string;
}

export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Erased by the compiler: it orders no loading. */
  readonly typeOnly: boolean;
}

function parse(file: SourceFile): ts.SourceFile {
  return ts.createSourceFile(file.path, file.text, ts.ScriptTarget.ES2022, true);
}

function lineOf(source: ts.SourceFile, node: ts.Node): number {
  return source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

function isTypeOnlyImport(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.isTypeOnly) return true;
  const named = clause.namedBindings;
  return (
    clause.name === undefined &&
    named !== undefined &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

/** Everything that a file imports: statements, re-exports, `import()` and `import('...')` types. */
export function importsOf(file: SourceFile): readonly Import[] {
  const source = parse(file);
  const imports: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node | undefined, typeOnly: boolean): void => {
    if (specifier !== undefined && ts.isStringLiteralLike(specifier)) {
      imports.push({ specifier: specifier.text, line: lineOf(source, node), typeOnly });
    }
  };
  walk(source, (node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      add(node, node.moduleSpecifier, isTypeOnlyImport(node));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0], false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
  });
  return imports;
}

/** `src/log/format.ts` as rules name it: `log/format`. */
function moduleName(path: string): string {
  return path.replace(/^src\//, '').replace(/\.(ts|js)$/, '');
}

function covers(rule: string, module: string): boolean {
  if (rule.endsWith('/*')) return posix.dirname(module) === rule.slice(0, -2);
  return module === rule || module.startsWith(`${rule}/`);
}

function resolveImport(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

/** Who may import whom. */
export function checkImports(files: readonly SourceFile[], rules: readonly ImportRule[]): readonly Finding[] {
  const findings: Finding[] = [];
  for (const file of files) {
    const module = moduleName(file.path);
    const rule = rules.find((each) => covers(each.of, module));
    if (rule === undefined) {
      findings.push({
        path: file.path,
        line: 1,
        message: 'no rule says what this file may import (test/tidy/rules.ts)',
      });
      continue;
    }
    for (const { specifier, line } of importsOf(file)) {
      const message = judgeImport(file.path, module, rule, specifier);
      if (message !== null) findings.push({ path: file.path, line, message });
    }
  }
  return findings;
}

function judgeImport(path: string, module: string, rule: ImportRule, specifier: string): string | null {
  if (specifier.startsWith('.')) {
    const target = resolveImport(path, specifier);
    if (!target.startsWith('src/')) return `${specifier} is outside src/`;
    if (!specifier.endsWith('.js')) return `${specifier} does not end in .js`;
    const name = moduleName(target);
    const allowed = [rule.of, ...rule.may].some((each) => covers(each, name));
    const denied = (rule.never ?? []).some((each) => covers(each, name));
    return allowed && !denied ? null : `${rule.of} may not import ${name}`;
  }
  if (specifier.startsWith('node:')) {
    if (rule.node === 'all' || (rule.node !== 'none' && rule.node.includes(specifier))) return null;
    return `${rule.of} may not import ${specifier}`;
  }
  const allowed = packageRules.some((each) => each.name === specifier && covers(each.from, module));
  return allowed ? null : `${module} may not import the package ${specifier}`;
}

/**
 * Cycles of imports between the rooms of src/: a room is a folder, or a file at the root. With `between` 'files', cycles
 * of loading between single files (imports of types do not load).
 */
export function findCycles(
  files: readonly SourceFile[],
  between: 'rooms' | 'files',
): readonly (readonly string[])[] {
  const nodeOf = (path: string): string => {
    const name = moduleName(path);
    return between === 'files' || !name.includes('/') ? name : name.slice(0, name.indexOf('/'));
  };
  const edges = new Map<string, Set<string>>();
  for (const file of files) {
    const from = nodeOf(file.path);
    const targets = edges.get(from) ?? new Set();
    edges.set(from, targets);
    for (const { specifier, typeOnly } of importsOf(file)) {
      if (!specifier.startsWith('.') || typeOnly) continue;
      const to = nodeOf(resolveImport(file.path, specifier));
      if (to !== from) targets.add(to);
    }
  }
  return cyclesOf(edges);
}

function cyclesOf(edges: ReadonlyMap<string, ReadonlySet<string>>): readonly (readonly string[])[] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (node: string): void => {
    const at = path.indexOf(node);
    if (at >= 0) {
      cycles.push([...path.slice(at), node]);
      return;
    }
    if (done.has(node)) return;
    path.push(node);
    for (const next of edges.get(node) ?? []) visit(next);
    path.pop();
    done.add(node);
  };
  for (const node of [...edges.keys()].sort()) visit(node);
  return cycles;
}

/** True where an identifier is a name of a member or a declaration, and not a use of the global of that name. */
function isOnlyAName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isGetAccessor(parent)) &&
    parent.name === node
  );
}

/** What makes pure code depend on when and where it runs. */
export function checkPurity(file: SourceFile): readonly Finding[] {
  const source = parse(file);
  const findings: Finding[] = [];
  const report = (node: ts.Node, what: string): void => {
    findings.push({ path: file.path, line: lineOf(source, node), message: `pure code uses ${what}` });
  };
  walk(source, (node) => {
    if (ts.isIdentifier(node) && impureNames.includes(node.text) && !isOnlyAName(node))
      report(node, node.text);
    if (ts.isPropertyAccessExpression(node) && node.getText(source) === 'Math.random')
      report(node, 'Math.random');
    if (ts.isElementAccessExpression(node) && node.expression.getText(source) === 'Math')
      report(node, 'Math[...]');
    if (ts.isAwaitExpression(node)) report(node, 'await');
    if (node.kind === ts.SyntaxKind.AsyncKeyword) report(node, 'async');
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      report(node, 'import()');
  });
  return findings;
}

/** Things that are left behind by accident, or hide a failure. */
export function checkLeftovers(file: SourceFile): readonly Finding[] {
  const source = parse(file);
  const findings: Finding[] = [];
  const inSource = file.path.startsWith('src/');
  const inCli = file.path.startsWith('src/cli/');
  const report = (node: ts.Node, message: string): void => {
    findings.push({ path: file.path, line: lineOf(source, node), message });
  };
  walk(source, (node) => {
    if (ts.isDebuggerStatement(node)) report(node, 'debugger');
    if (!ts.isPropertyAccessExpression(node)) return;
    const object = node.expression.getText(source);
    const name = node.name.text;
    const isTestFunction = /^(it|test|describe|bench|suite)(\.|$)/.test(object);
    if (isTestFunction && name === 'only') report(node, `${object}.only hides all other tests`);
    if (isTestFunction && (name === 'skip' || name === 'todo')) {
      report(node, `${object}.${name}: use ${object}.skipIf with a condition and print the reason`);
    }
    if (inSource && !inCli && object === 'console') report(node, `console.${name}: the logger is for that`);
    if (inSource && object === 'process' && name === 'exit' && !inCli)
      report(node, 'process.exit: nothing exits the host');
    if (inSource && object === 'process' && name === 'abort')
      report(node, 'process.abort: nothing exits the host');
  });
  return findings;
}

/** `any` in a type says nothing; a directive to ignore an error hides what one to expect it would show. */
export function checkTypes(file: SourceFile): readonly Finding[] {
  const source = parse(file);
  const findings: Finding[] = [];
  walk(source, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) {
      findings.push({ path: file.path, line: lineOf(source, node), message: 'any' });
    }
  });
  for (const [index, line] of file.text.split('\n').entries()) {
    if (/\/[/*]\s*@ts-(ignore|nocheck)/.test(line)) {
      findings.push({ path: file.path, line: index + 1, message: '@ts-ignore' });
    }
  }
  return findings;
}

/** A file with more than one job, and text that does not travel well. */
export function checkText(file: SourceFile): readonly Finding[] {
  const findings: Finding[] = [];
  const lines = file.text.split('\n');
  const count = lines.at(-1) === '' ? lines.length - 1 : lines.length;
  if (count > LINES_MAX) {
    findings.push({
      path: file.path,
      line: LINES_MAX,
      message: `${count} lines, more than ${LINES_MAX}: split it`,
    });
  }
  if (file.text !== '' && !file.text.endsWith('\n')) {
    findings.push({ path: file.path, line: count, message: 'no line feed at the end' });
  }
  for (const [index, line] of lines.entries()) {
    if (line.includes('\r')) findings.push({ path: file.path, line: index + 1, message: 'carriage return' });
    if (line.includes('\t') && !/\.(gyp|txt)$/.test(file.path)) {
      findings.push({ path: file.path, line: index + 1, message: 'tab' });
    }
    if (/^(<{7}|={7}|>{7})( |$)/.test(line)) {
      findings.push({ path: file.path, line: index + 1, message: 'mark of a merge conflict' });
    }
  }
  return findings;
}

/** The anchor that a heading of a Markdown file gets. */
export function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[`*]/g, '')
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(/\s/g, '-');
}

function withoutCode(text: string): string {
  const blank = (code: string): string => code.replaceAll(/[^\n]/g, ' ');
  return text.replaceAll(/^(```|~~~).*?^\1/gms, blank).replaceAll(/`[^`\n]*`/g, blank);
}

/** Links of a Markdown file that lead nowhere. `exists` answers for paths from the root, `textOf` for Markdown files. */
export function checkLinks(
  file: SourceFile,
  exists: (path: string) => boolean,
  textOf: (path: string) => string | null,
): readonly Finding[] {
  const findings: Finding[] = [];
  for (const [index, line] of withoutCode(file.text).split('\n').entries()) {
    for (const match of line.matchAll(/\]\(([^)\s]+)\)/g)) {
      const link = match[1]!;
      if (/^[a-z]+:/.test(link)) continue;
      const [target, anchor] = link.split('#') as [string, string | undefined];
      const path = target === '' ? file.path : posix.normalize(posix.join(posix.dirname(file.path), target));
      if (path.startsWith('..') || !exists(path)) {
        findings.push({ path: file.path, line: index + 1, message: `${link} leads nowhere` });
        continue;
      }
      if (anchor === undefined || !path.endsWith('.md')) continue;
      const headings = (textOf(path) ?? '').matchAll(/^#+ (.*)$/gm);
      if (![...headings].some((heading) => anchorOf(heading[1]!) === anchor)) {
        findings.push({ path: file.path, line: index + 1, message: `${link}: no such heading` });
      }
    }
  }
  return findings;
}

/** The first fenced block of a language after a heading. Null where there is none. */
export function codeBlock(markdown: string, heading: string, language: string): string | null {
  const lines = markdown.split('\n');
  const at = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '').trim() === heading);
  if (at < 0) return null;
  const begin = lines.findIndex((line, index) => index > at && line.trim() === `\`\`\`${language}`);
  const end = lines.findIndex((line, index) => index > begin && line.trim() === '```');
  return begin < 0 || end < 0 ? null : `${lines.slice(begin + 1, end).join('\n')}\n`;
}
