/** Aim: the package holds what its users need to run and to build it, and nothing else. */

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly bin: Record<string, string>;
  readonly types: string;
  readonly exports: { readonly '.': { readonly types: string; readonly default: string } };
  readonly scripts: Record<string, string>;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
};

interface Packed {
  readonly files: readonly { readonly path: string; readonly size: number; readonly mode: number }[];
  readonly unpackedSize: number;
}

function pack(): Packed {
  // dist/ is up to date by the setup of this project; the scripts would compile it once more.
  const text = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const parsed: unknown = JSON.parse(text);
  // A list of packages, or, in newer versions of npm, an object by their names.
  return Object.values(parsed as Record<string, Packed>)[0]!;
}

it('npm pack takes what is needed and nothing else', () => {
  const { files, unpackedSize } = pack();
  const paths = files.map((file) => file.path);
  const needed = [
    'package.json',
    'README.md',
    'LICENSE',
    'binding.gyp',
    'CMakeLists.txt',
    'native/addon.cc',
    'native/sources.cjs',
    'scripts/install.mjs',
    'scripts/build-native.mjs',
    'dist/index.js',
    'dist/index.d.ts',
    'dist/cli/main.js',
  ];
  expect(needed.filter((path) => !paths.includes(path))).toEqual([]);
  const allowed =
    /^(dist\/.*\.(js|js\.map|d\.ts)|native\/.*\.(cc|h|cjs)|prebuilds\/.*\.node|scripts\/(install|build-native)\.mjs)$/;
  expect(paths.filter((path) => !allowed.test(path) && !needed.includes(path))).toEqual([]);
  expect(unpackedSize).toBeLessThan(10 * 1024 * 1024);
});

it('what package.json names is there', () => {
  for (const path of [
    ...Object.values(manifest.bin),
    manifest.types,
    manifest.exports['.'].types,
    manifest.exports['.'].default,
  ]) {
    expect(existsSync(join(root, path)), path).toBe(true);
  }
  const scripts = Object.values(manifest.scripts).flatMap(
    (script) => script.match(/scripts\/\S+\.mjs/g) ?? [],
  );
  for (const path of scripts) expect(existsSync(join(root, path)), path).toBe(true);
  expect(readFileSync(join(root, manifest.bin.synod!), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
});

it('versions are pinned, and the lock file agrees', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
    readonly packages: Record<
      string,
      { readonly version: string; readonly dependencies?: object; readonly devDependencies?: object }
    >;
  };
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    expect(lock.packages[`node_modules/${name}`]?.version, name).toBe(version);
  }
  expect(lock.packages['']?.dependencies).toEqual(manifest.dependencies);
  expect(lock.packages['']?.devDependencies).toEqual(manifest.devDependencies);
});
