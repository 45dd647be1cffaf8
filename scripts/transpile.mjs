/** TypeScript to JavaScript, file by file, without a look at the types. */

import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';

let compiler;

/** The JavaScript of one TypeScript module. Throws a `SyntaxError` where it is none. */
export async function transpile(text, fileName) {
  compiler ??= (await import('typescript')).default;
  const { ModuleKind, ScriptTarget, transpileModule } = compiler;
  const { outputText, diagnostics } = transpileModule(text, {
    fileName,
    reportDiagnostics: true,
    compilerOptions: {
      module: ModuleKind.ESNext,
      target: ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
      inlineSources: true,
    },
  });
  const [first] = diagnostics ?? [];
  if (first !== undefined) {
    throw new SyntaxError(`${fileName}: ${compiler.flattenDiagnosticMessageText(first.messageText, ' ')}`);
  }
  return outputText;
}

async function modified(file) {
  try {
    return (await stat(file)).mtimeMs;
  } catch {
    return -1;
  }
}

/** Makes `target`/FOLDER/x.js of each `root`/FOLDER/x.ts that is newer; tests of vitest are left out. */
export async function transpileTree(root, target, folders) {
  for (const folder of folders) {
    for (const entry of await readdir(path.join(root, folder), { recursive: true })) {
      if (!entry.endsWith('.ts') || entry.endsWith('.test.ts')) continue;
      const source = path.join(root, folder, entry);
      const made = path.join(target, folder, entry.replace(/\.ts$/, '.js'));
      if ((await modified(made)) > (await modified(source))) continue;
      const text = await transpile(await readFile(source, 'utf8'), source);
      await mkdir(path.dirname(made), { recursive: true });
      // In one step: another tool may be starting at the same time.
      const part = `${made}.${process.pid}`;
      await writeFile(part, text);
      await rename(part, made);
    }
  }
}
