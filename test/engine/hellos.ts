/** What a replica of a test says of itself. */

import type { Hello } from '../../src/engine/hello.js';

/** Of a build that speaks versions 2 and 3, and knows of none in force. */
export function helloOf(id: string): Hello {
  return {
    cluster: 'test',
    id,
    incarnation: id.charCodeAt(0).toString(16).repeat(16),
    start: 1,
    life: '1'.repeat(16),
    sequence: 10,
    promised: 5,
    accepted: 3,
    hasGenesis: true,
    durable: true,
    versionMin: 2,
    versionMax: 3,
    version: 0,
  };
}
