/** A step of the exploration in words. */

import { showMessage } from '../protocol/show.js';
import type { Cluster } from './cluster.js';
import type { Item } from './node.js';
import type { Code } from './node-table.js';
import { describeCode } from './node-table.js';

const NAMES = ['a', 'b', 'c', 'd'];

/** What happens, then what comes of it. */
export function tell({ table }: Cluster, words: Uint32Array, node: number, code: Code): string[] {
  const name = NAMES[node]!;
  if (code < 0) return [`the link between ${name} and ${NAMES[-1 - code]} breaks`];
  const { peer, item, text } = describeCode(code, table);
  const lines = [item === null ? `${name} ${text}` : `${name} <- ${NAMES[peer]} ${showItem(item)}`];
  const { did, sent } = table.story(words[node]!, code);
  lines.push(...did.map((line) => `${name} ${line}`));
  for (const [to, items] of sent.entries())
    lines.push(...items.map((one) => `${name} -> ${NAMES[to]} ${showItem(one)}`));
  return lines;
}

function showItem(item: Item): string {
  switch (item.kind) {
    case 'message':
      return showMessage(item.message);
    case 'down':
      return 'the link is down';
    case 'up':
      return 'the link is up';
  }
}
