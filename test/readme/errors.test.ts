/** Aim: docs/errors.md has a row for each code of an error, and for no other. Method: both files are read, and compared. */

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const textOf = (path: string): string => readFileSync(`${root}${path}`, 'utf8');

/** The codes of src/errors.ts, each with its text on one line. */
function codesInSource(): readonly (readonly [code: string, meaning: string])[] {
  const source = ts.createSourceFile('errors.ts', textOf('src/errors.ts'), ts.ScriptTarget.ES2022, true);
  const type = source.statements.find(
    (statement): statement is ts.TypeAliasDeclaration =>
      ts.isTypeAliasDeclaration(statement) && statement.name.text === 'ErrorCode',
  )!.type as ts.UnionTypeNode;
  let end = type.getFullStart();
  return type.types.map((member) => {
    const code = ((member as ts.LiteralTypeNode).literal as ts.StringLiteral).text;
    // A comment in front of a member of a union belongs to no node: it is the text behind the member before.
    const before = source.text.slice(end, member.getStart());
    end = member.getEnd();
    const meaning = before
      .replace(/^[^/]*\/\*\*|\*\/[\s|]*$/g, '')
      .replace(/\n\s*\*/g, ' ')
      .replace(/\s+/g, ' ')
      .trim();
    return [code, meaning] as const;
  });
}

const rows = textOf('docs/errors.md')
  .split('\n')
  .filter((line) => line.startsWith('| `ERR_SYNOD_'))
  .map((line) => line.slice(2, -2).split(' | '));

describe('docs/errors.md', () => {
  const codes = codesInSource();

  it('has the codes of src/errors.ts, each once, with its text there', () => {
    expect(codes.length).toBeGreaterThan(30);
    expect(new Set(codes.map(([code]) => code)).size).toBe(codes.length);
    expect(codes.filter(([, meaning]) => meaning === '')).toEqual([]);
    expect(rows.map(([code, meaning]) => [code, meaning])).toEqual(
      codes.map(([code, meaning]) => [`\`${code}\``, meaning]),
    );
  });

  it('says of each what becomes of a command, and what to do', () => {
    expect(rows.filter((row) => row.length !== 4 || row.some((cell) => cell.trim() === ''))).toEqual([]);
    const outcomes = rows.filter(
      ([, , outcome]) => !/^(none|`(not-applied|unknown|committed)`)/.test(outcome!),
    );
    expect(outcomes).toEqual([]);
  });

  it('has no code that nothing reports', () => {
    const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts') && file !== 'errors.ts')
      .map((file) => textOf(`src/${file}`))
      .join('\n');
    expect(codes.map(([code]) => code).filter((code) => !sources.includes(`'${code}'`))).toEqual([]);
  });
});
