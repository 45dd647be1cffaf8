/** Every medium that a power cut at this moment may leave, or a sample where there are too many. */

import { SEGMENT_SUFFIX } from '../../src/log/format.js';
import type { Random } from '../properties/random.js';
import {
  applyName,
  type Disk,
  type FileNode,
  type Image,
  LINE_BYTES,
  type PendingName,
  ROOT,
  resized,
} from './disk.js';

/** Something of which a power cut may leave one of several states. State 0: nothing of it; the last one: all of it. */
interface Choice {
  readonly states: number;
  readonly text: string;
}

interface NameChoice extends Choice {
  readonly kind: 'name';
  readonly directory: number;
  readonly event: PendingName;
}

/** A sector of a write, or a file's size. */
interface BytesChoice extends Choice {
  readonly kind: 'bytes';
  readonly node: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

interface SizeChoice extends Choice {
  readonly kind: 'size';
  readonly node: number;
  readonly bytes: number;
}

/** A cache line: in state s, its first s stores are there. */
interface LineChoice extends Choice {
  readonly kind: 'line';
  readonly node: number;
  readonly stores: readonly { readonly offset: number; readonly bytes: Uint8Array }[];
}

type AnyChoice = NameChoice | BytesChoice | SizeChoice | LineChoice;

export interface EnumerationOptions {
  /** What a write tears at. */
  readonly sectorBytes: number;
  /** At most so many images per moment; where there are more, so many are drawn. */
  readonly imagesMax: number;
  readonly random: Random;
}

export interface PossibleImage {
  readonly image: Image;
  /** What of the pending is there, for a report. */
  readonly describe: () => string;
}

export interface Enumeration {
  /** How many there are. */
  readonly total: number;
  readonly complete: boolean;
  readonly images: Iterable<PossibleImage>;
}

/** The images of the directory at `path`. */
export function enumerateImages(
  disk: Disk,
  path: readonly string[],
  options: EnumerationOptions,
): Enumeration {
  const choices = choicesOf(disk, options.sectorBytes);
  const total = choices.reduce((product, { states }) => product * states, 1);
  const complete = total <= options.imagesMax;
  const vectors = complete ? allVectors(choices) : sampleVectors(choices, options);
  return { total, complete, images: makeImages(disk, path, choices, vectors) };
}

function* makeImages(
  disk: Disk,
  path: readonly string[],
  choices: readonly AnyChoice[],
  vectors: Iterable<readonly number[]>,
): Generator<PossibleImage> {
  for (const vector of vectors) {
    yield {
      image: build(disk, path, choices, vector),
      describe: () =>
        choices.map(({ text, states }, index) => `${text}: ${vector[index]} of ${states - 1}`).join('\n'),
    };
  }
}

/** Files that have, or may come to have, the name of a segment. What others hold nobody reads. */
function segmentNodes(disk: Disk): Set<number> {
  const nodes = new Set<number>();
  for (const directory of disk.nodes.values()) {
    if (directory.kind !== 'directory') continue;
    for (const names of [directory.durable, directory.cached]) {
      for (const [name, node] of names) if (name.endsWith(SEGMENT_SUFFIX)) nodes.add(node);
    }
  }
  return nodes;
}

function choicesOf(disk: Disk, sectorBytes: number): AnyChoice[] {
  const choices: AnyChoice[] = [];
  const segments = segmentNodes(disk);
  for (const [node, content] of disk.nodes) {
    if (content.kind === 'directory') {
      for (const event of content.pending) {
        const text = event.kind === 'rename' ? `rename to ${event.to}` : `${event.kind} ${event.name}`;
        choices.push({ kind: 'name', states: 2, directory: node, event, text });
      }
    } else if (content.pending.length > 0 && segments.has(node)) addFile(choices, node, content, sectorBytes);
  }
  return choices;
}

function addFile(choices: AnyChoice[], node: number, file: FileNode, sectorBytes: number): void {
  const lines = new Map<number, { offset: number; bytes: Uint8Array }[]>();
  const isAlone = file.pending.length === 1;
  for (const change of file.pending) {
    if (change.kind === 'truncate') {
      const text = `node ${node}: size ${change.bytes}`;
      choices.push({ kind: 'size', states: 2, node, bytes: change.bytes, text });
    } else if (change.kind === 'store') {
      const line = Math.floor(change.offset / LINE_BYTES) * LINE_BYTES;
      const stores = lines.get(line);
      if (stores === undefined) lines.set(line, [change]);
      else stores.push(change);
    } else {
      const end = change.offset + change.bytes.length;
      for (let from = change.offset; from < end; ) {
        const to = Math.min(end, Math.floor(from / sectorBytes + 1) * sectorBytes);
        const bytes = change.bytes.subarray(from - change.offset, to - change.offset);
        // What is there already makes no difference, if nothing else can come between.
        if (!(isAlone && isThere(file.durable, from, bytes))) {
          choices.push({
            kind: 'bytes',
            states: 2,
            node,
            offset: from,
            bytes,
            text: `node ${node}: bytes ${from} to ${to}`,
          });
        }
        from = to;
      }
    }
  }
  for (const [line, stores] of lines) {
    choices.push({
      kind: 'line',
      states: stores.length + 1,
      node,
      stores,
      text: `node ${node}: stores to line ${line}`,
    });
  }
}

function isThere(durable: Uint8Array, from: number, bytes: Uint8Array): boolean {
  return (
    from + bytes.length <= durable.length &&
    Buffer.compare(durable.subarray(from, from + bytes.length), bytes) === 0
  );
}

function* allVectors(choices: readonly Choice[]): Generator<readonly number[]> {
  const vector = choices.map(() => 0);
  for (;;) {
    yield vector;
    let at = 0;
    while (at < choices.length && vector[at] === choices[at]!.states - 1) vector[at++] = 0;
    if (at === choices.length) return;
    vector[at]! += 1;
  }
}

/** The corners first: nothing, everything, then draws with many or few of the choices taken. */
function* sampleVectors(
  choices: readonly Choice[],
  options: EnumerationOptions,
): Generator<readonly number[]> {
  const { imagesMax, random } = options;
  yield choices.map(() => 0);
  yield choices.map(({ states }) => states - 1);
  for (let count = 2; count < imagesMax; count += 1) {
    const style = random.below(4);
    if (style === 0) {
      // All but one, or only one.
      const odd = random.below(choices.length);
      const most = random.below(2);
      yield choices.map(({ states }, index) => ((index === odd) === (most === 0) ? states - 1 : 0));
    } else if (style === 1) {
      const chance = random.real();
      yield choices.map(({ states }) => (random.chance(chance) ? states - 1 : 0));
    } else yield choices.map(({ states }) => random.below(states));
  }
}

function build(
  disk: Disk,
  path: readonly string[],
  choices: readonly AnyChoice[],
  vector: readonly number[],
): Image {
  const directories = new Map<number, Map<string, number>>();
  const files = new Map<number, Uint8Array>();
  const contentOf = (node: number): Uint8Array => {
    let content = files.get(node);
    if (content === undefined) {
      content = disk.file(node).durable.slice();
      files.set(node, content);
    }
    return content;
  };
  for (let index = 0; index < choices.length; index += 1) {
    const state = vector[index]!;
    if (state === 0) continue;
    const choice = choices[index]!;
    switch (choice.kind) {
      case 'name': {
        let names = directories.get(choice.directory);
        if (names === undefined) {
          names = new Map(disk.directory(choice.directory).durable);
          directories.set(choice.directory, names);
        }
        applyName(names, choice.event);
        break;
      }
      case 'size':
        files.set(choice.node, resized(contentOf(choice.node), choice.bytes));
        break;
      case 'bytes': {
        let content = contentOf(choice.node);
        const end = choice.offset + choice.bytes.length;
        if (end > content.length) {
          content = resized(content, end);
          files.set(choice.node, content);
        }
        content.set(choice.bytes, choice.offset);
        break;
      }
      case 'line': {
        const content = contentOf(choice.node);
        for (const { offset, bytes } of choice.stores.slice(0, state)) content.set(bytes, offset);
      }
    }
  }
  const image: Image = new Map();
  let names = directories.get(ROOT) ?? disk.directory(ROOT).durable;
  for (const name of path) {
    const node = names.get(name);
    if (node === undefined) return image;
    names = directories.get(node) ?? disk.directory(node).durable;
  }
  for (const [name, node] of names) {
    if (disk.nodes.get(node)!.kind === 'file') image.set(name, files.get(node) ?? disk.file(node).durable);
  }
  return image;
}

/** What a process finds that comes after one that was killed: everything that was begun, as the kernel lives on. */
export function cachedImage(disk: Disk, path: readonly string[]): Image {
  let names = disk.directory(ROOT).cached;
  for (const name of path) {
    const node = names.get(name);
    if (node === undefined) return new Map();
    names = disk.directory(node).cached;
  }
  return new Map([...names].map(([name, node]) => [name, disk.file(node).cached]));
}
