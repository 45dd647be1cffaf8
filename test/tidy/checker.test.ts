/** Aim: each check finds what it is for, and nothing in what is right. Method: small samples, bad and good. */

import { describe, expect, it } from 'vitest';
import {
  anchorOf,
  checkImports,
  checkLeftovers,
  checkLinks,
  checkPurity,
  checkText,
  checkTypes,
  codeBlock,
  findCycles,
  importsOf,
} from './checker.js';
import { importRules, LINES_MAX } from './rules.js';

const file = (path: string, text: string) => ({ path, text });
const messages = (findings: readonly { message: string }[]) => findings.map((finding) => finding.message);

describe('importsOf', () => {
  it('finds every form, and which are erased', () => {
    const text = `import a from './a.js';
import type { B } from './b.js';
import { type C } from './c.js';
import { d, type D } from './d.js';
import './e.js';
export { f } from './f.js';
export type { G } from './g.js';
export * from './h.js';
const i = await import('./i.js');
let j: import('./j.js').J;
// import './comment.js';
const text = "import './string.js'";
`;
    expect(
      importsOf(file('src/x.ts', text)).map(
        ({ specifier, typeOnly, line }) => `${line} ${specifier} ${typeOnly}`,
      ),
    ).toEqual([
      '1 ./a.js false',
      '2 ./b.js true',
      '3 ./c.js true',
      '4 ./d.js false',
      '5 ./e.js false',
      '6 ./f.js false',
      '7 ./g.js true',
      '8 ./h.js false',
      '9 ./i.js false',
      '10 ./j.js true',
    ]);
  });
});

describe('import directions', () => {
  const bad: [string, string][] = [
    ['src/protocol/acceptor.ts', '../log/record.js'],
    ['src/protocol/acceptor.ts', '../wire/frame.js'],
    ['src/protocol/acceptor.ts', '../engine/clock.js'],
    ['src/protocol/acceptor.ts', 'node:crypto'],
    ['src/log/record.ts', '../storage/log-medium.js'],
    ['src/log/record.ts', 'node:fs'],
    ['src/wire/frame.ts', '../log/record.js'],
    ['src/wire/frame.ts', '../transport/transport.js'],
    ['src/storage/file/file-medium.ts', '../uring/uring-medium.js'],
    ['src/storage/file/file-medium.ts', '../open-medium.js'],
    ['src/storage/file/file-medium.ts', '../../native/addon.js'],
    ['src/storage/memory/memory-medium.ts', 'node:fs'],
    ['src/storage/pmem/pmem-medium.ts', '../../protocol/replica.js'],
    ['src/storage/directory.ts', './file/file-medium.js'],
    ['src/transport/tcp/tcp-transport.ts', '../memory/memory-transport.js'],
    ['src/transport/tcp/tcp-transport.ts', '../open-transport.js'],
    ['src/transport/tcp/tcp-transport.ts', '../../wire/frame.js'],
    ['src/engine/engine.ts', '../storage/file/file-medium.js'],
    ['src/engine/engine.ts', '../transport/uring/uring-transport.js'],
    ['src/engine/engine.ts', '../replica.js'],
    ['src/engine/engine.ts', 'bindings'],
    ['src/kv/server.ts', '../engine/engine.js'],
    ['src/kv/server.ts', '../protocol/decree.js'],
    ['src/cli/serve.ts', '../storage/open-medium.js'],
    ['src/cli/serve.ts', '../native/addon.js'],
    ['src/index.ts', './engine/engine.js'],
    ['src/limits.ts', './log/format.js'],
    ['src/contracts.ts', './errors.js'],
    ['src/cli/serve.ts', '../kv/server'],
    ['src/cli/serve.ts', '../../test/tidy/rules.js'],
    ['src/cli/serve.ts', 'commander'],
    ['src/attic/thing.ts', './other.js'],
  ];
  it.each(bad)('%s may not import %s', (path, specifier) => {
    expect(checkImports([file(path, `import { x } from '${specifier}';\n`)], importRules)).toHaveLength(1);
    // A type ties rooms together as much as a value does.
    expect(checkImports([file(path, `import type { X } from '${specifier}';\n`)], importRules)).toHaveLength(
      1,
    );
  });

  const good: [string, string][] = [
    ['src/protocol/acceptor.ts', './ballot.js'],
    ['src/protocol/acceptor.ts', '../contracts.js'],
    ['src/log/record.ts', '../protocol/ballot.js'],
    ['src/log/record.ts', '../checksum.js'],
    ['src/storage/file/file-medium.ts', '../log-medium.js'],
    ['src/storage/file/file-medium.ts', '../directory.js'],
    ['src/storage/file/file-medium.ts', 'node:fs'],
    ['src/storage/uring/uring-medium.ts', '../../native/addon.js'],
    ['src/storage/open-medium.ts', './file/file-medium.js'],
    ['src/storage/open-medium.ts', './uring/uring-medium.js'],
    ['src/engine/engine.ts', '../storage/open-medium.js'],
    ['src/engine/engine.ts', '../protocol/replica.js'],
    ['src/native/addon.ts', 'bindings'],
    ['src/kv/server.ts', '../index.js'],
    ['src/cli/serve.ts', '../kv/server.js'],
  ];
  it.each(good)('%s may import %s', (path, specifier) => {
    expect(checkImports([file(path, `import { x } from '${specifier}';\n`)], importRules)).toEqual([]);
  });
});

describe('cycles', () => {
  it('between rooms, through several files', () => {
    const files = [
      file('src/log/a.ts', "import { x } from '../wire/b.js';"),
      file('src/wire/c.ts', "import { x } from '../protocol/d.js';"),
      file('src/protocol/e.ts', "import { x } from '../log/a.js';"),
    ];
    expect(findCycles(files, 'rooms')).toEqual([['log', 'wire', 'protocol', 'log']]);
    expect(findCycles(files, 'files')).toEqual([]);
  });

  it('between files of one room', () => {
    const files = [
      file('src/log/a.ts', "import { x } from './b.js';"),
      file('src/log/b.ts', "import { x } from './a.js';"),
    ];
    expect(findCycles(files, 'files')).toEqual([['log/a', 'log/b', 'log/a']]);
    expect(findCycles(files, 'rooms')).toEqual([]);
  });

  it('not of types, and not where there is none', () => {
    const files = [
      file('src/log/a.ts', "import { x } from './b.js'; import { y } from './c.js';"),
      file('src/log/b.ts', "import type { X } from './a.js'; import { y } from './c.js';"),
      file('src/log/c.ts', ''),
    ];
    expect(findCycles(files, 'files')).toEqual([]);
  });
});

describe('purity', () => {
  it.each([
    'const now = Date.now();',
    'const now = new Date();',
    'const x = Math.random();',
    "const x = Math['random']();",
    'setTimeout(() => {}, 1);',
    'setImmediate(run);',
    'queueMicrotask(run);',
    'const id = process.pid;',
    'performance.now();',
    'function later(): Promise<void> { return undefined as never; }',
    'async function later() {}',
    'const x = async () => {};',
    'const f = { async later() {} };',
    "const x = import('./y.js');",
    'globalThis.x = 1;',
    'crypto.getRandomValues(bytes);',
  ])('%s', (text) => {
    expect(checkPurity(file('src/protocol/x.ts', text)).length).toBeGreaterThan(0);
  });

  it.each([
    '// Date.now, Math.random and await in a comment',
    "const text = 'setTimeout Promise process';",
    'interface Message { readonly Promise: number; process: number }',
    'const value = message.process + other.Date;',
    'const x = Math.max(1, 2);',
    'const message = { process: 1 };',
    'class Role { process(): void {} }',
  ])('not %s', (text) => {
    expect(checkPurity(file('src/protocol/x.ts', text))).toEqual([]);
  });
});

describe('leftovers', () => {
  it.each([
    ['test/x.test.ts', "it.only('x', () => {});"],
    ['test/x.test.ts', "describe.only('x', () => {});"],
    ['test/x.test.ts', "it.skip('x', () => {});"],
    ['test/x.test.ts', "describe.skip('x', () => {});"],
    ['test/x.test.ts', "it.todo('x');"],
    ['test/x.test.ts', "it.concurrent.only('x', () => {});"],
    ['test/x.test.ts', 'debugger;'],
    ['src/log/x.ts', "console.log('x');"],
    ['src/engine/x.ts', 'process.exit(1);'],
    ['src/cli/x.ts', 'process.abort();'],
  ])('%s: %s', (path, text) => {
    expect(checkLeftovers(file(path, text))).toHaveLength(1);
  });

  it.each([
    ['test/x.test.ts', "it.skipIf(reason !== null)('x', () => {});"],
    ['test/x.test.ts', "console.log('why it is skipped');"],
    ['src/cli/x.ts', 'process.exit(1);'],
    ['src/log/x.ts', '// console.log'],
    ['src/log/x.ts', 'options.only; reader.skip(4);'],
  ])('not %s: %s', (path, text) => {
    expect(checkLeftovers(file(path, text))).toEqual([]);
  });
});

describe('types', () => {
  it('finds any and what hides errors', () => {
    expect(messages(checkTypes(file('src/x.ts', 'const x: any = 1;\nlet y = z as any;\n')))).toEqual([
      'any',
      'any',
    ]);
    expect(messages(checkTypes(file('src/x.ts', '// @ts-ignore\nconst x = 1;\n')))).toEqual(['@ts-ignore']);
    expect(
      checkTypes(file('src/x.ts', '// any word in any comment\nconst any = 1; // @ts-expect-error\n')),
    ).toEqual([]);
  });
});

describe('text', () => {
  it('finds long files by their lines', () => {
    expect(checkText(file('src/x.ts', 'x\n'.repeat(LINES_MAX)))).toEqual([]);
    expect(messages(checkText(file('src/x.ts', 'x\n'.repeat(LINES_MAX + 1))))).toEqual([
      `${LINES_MAX + 1} lines, more than ${LINES_MAX}: split it`,
    ]);
  });

  it('finds what does not travel well', () => {
    expect(messages(checkText(file('src/x.ts', 'x')))).toEqual(['no line feed at the end']);
    expect(messages(checkText(file('src/x.ts', 'x\r\n')))).toEqual(['carriage return']);
    expect(messages(checkText(file('src/x.ts', '\tx\n')))).toEqual(['tab']);
    expect(messages(checkText(file('src/x.ts', '<<<<<<< ours\n')))).toEqual(['mark of a merge conflict']);
    expect(checkText(file('src/x.ts', '// ======= a heading\n'))).toEqual([]);
  });
});

describe('links', () => {
  const exists = (path: string) => ['docs', 'docs/a.md', 'README.md', 'src/x.ts'].includes(path);
  const textOf = (path: string) => (path === 'docs/a.md' ? '# Title\n\n## What `it` does, and why\n' : null);
  const check = (path: string, text: string) => messages(checkLinks(file(path, text), exists, textOf));

  it('finds those that lead nowhere', () => {
    expect(check('README.md', '[x](docs/b.md)')).toEqual(['docs/b.md leads nowhere']);
    expect(check('docs/a.md', '[x](../../etc/passwd)')).toEqual(['../../etc/passwd leads nowhere']);
    expect(check('README.md', '[x](docs/a.md#nothing)')).toEqual(['docs/a.md#nothing: no such heading']);
  });

  it('takes those that lead somewhere', () => {
    const text =
      '[x](docs/a.md) [y](docs/a.md#what-it-does-and-why) [z](https://example.org/) [s](src/x.ts) [d](docs/)';
    expect(check('README.md', text.replace('docs/)', 'docs)'))).toEqual([]);
    expect(check('docs/a.md', '[up](../README.md) [here](#title)')).toEqual([]);
    expect(check('README.md', '```\n[x](nowhere.md)\n```\n`[y](nowhere.md)`')).toEqual([]);
  });

  it('knows how anchors are made', () => {
    expect(anchorOf('What `it` does, and why')).toBe('what-it-does-and-why');
    expect(anchorOf('1. Safety: the rules')).toBe('1-safety-the-rules');
  });
});

describe('codeBlock', () => {
  it('takes the block after the heading', () => {
    const text = '# A\n```ts\none\n```\n## Example\ntext\n```sh\nno\n```\n```ts\ntwo\nthree\n```\n';
    expect(codeBlock(text, 'Example', 'ts')).toBe('two\nthree\n');
    expect(codeBlock(text, 'Missing', 'ts')).toBeNull();
    expect(codeBlock(text, 'Example', 'py')).toBeNull();
  });
});
