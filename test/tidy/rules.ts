/** The rules of this project about its own files, as data. `checker.ts` applies them, `tidy.test.ts` runs them. */

export interface ImportRule {
  /**
   * Files the rule is about: a file of src/ without its extension, a folder with everything below it, or `folder/*`, the files
   * right in it.
   */
  readonly of: string;
  /** What they may import, of the same form; what the rule is about is included. */
  readonly may: readonly string[];
  /** What they may not import all the same. */
  readonly never?: readonly string[];
  /** Node's modules that they may import: all, none, or those listed. */
  readonly node: 'all' | 'none' | readonly string[];
}

/** Small files at the root that know nothing of the rest: everybody may use them. */
const base: readonly string[] = ['contracts', 'errors', 'limits', 'rethrow'];

/**
 * Who may import whom. The first rule that fits a file counts, so the particular stand before the general. A file that no
 * rule fits is a finding: new rooms get a rule.
 */
export const importRules: readonly ImportRule[] = [
  // The values that everyone shares.
  { of: 'contracts', may: [], node: 'none' },
  { of: 'errors', may: [], node: 'none' },
  { of: 'limits', may: ['contracts'], node: 'none' },
  { of: 'rethrow', may: [], node: 'none' },
  { of: 'logger', may: ['errors'], node: 'all' },
  { of: 'checksum', may: [...base, 'native/addon'], node: 'none' },
  { of: 'state-machine', may: [], node: 'none' },
  { of: 'command-batch', may: ['errors'], node: 'none' },
  { of: 'token', may: ['errors'], node: 'none' },
  { of: 'histogram', may: [], node: 'none' },
  { of: 'statistics', may: ['histogram'], node: 'none' },
  { of: 'option-checker', may: [...base, 'transport/address', 'transport/transport'], node: 'all' },
  {
    of: 'options',
    may: [...base, 'logger', 'option-checker', 'transport/transport', 'transport/tls'],
    node: 'all',
  },

  // Pure: what is decided, and what it looks like as bytes.
  { of: 'protocol', may: base, node: 'none' },
  { of: 'wire', may: [...base, 'protocol', 'checksum'], node: 'none' },
  { of: 'log', may: [...base, 'protocol', 'checksum'], node: 'none' },
  { of: 'checkpoint', may: [...base, 'log', 'checksum'], node: 'none' },

  // The addon: loaded here and nowhere else.
  { of: 'native', may: [...base, 'log/format'], node: 'all' },

  // Siblings behind one interface each, which share what lies right in the folder. Only the file that picks knows more
  // than one of them, and they do not know it.
  { of: 'storage/log-medium', may: ['errors'], node: 'none' },
  { of: 'storage/open-medium', may: [...base, 'log/format', 'native', 'options', 'storage'], node: 'all' },
  {
    of: 'storage/*',
    may: [...base, 'checkpoint/format', 'log/format', 'native'],
    never: ['storage/open-medium'],
    node: 'all',
  },
  {
    of: 'storage/memory',
    may: [...base, 'log/format', 'storage/*'],
    never: ['storage/open-medium'],
    node: 'none',
  },
  {
    of: 'storage/file',
    may: [...base, 'log/format', 'storage/*'],
    never: ['storage/open-medium'],
    node: 'all',
  },
  {
    of: 'storage/uring',
    may: [...base, 'log/format', 'native', 'storage/*'],
    never: ['storage/open-medium'],
    node: 'all',
  },
  {
    of: 'storage/pmem',
    may: [...base, 'log/format', 'native', 'storage/*'],
    never: ['storage/open-medium'],
    node: 'all',
  },
  { of: 'transport/transport', may: ['errors', 'transport/tls'], node: 'none' },
  { of: 'transport/address', may: ['transport/transport'], node: ['node:net'] },
  { of: 'transport/open-transport', may: [...base, 'native', 'options', 'transport'], node: 'all' },
  { of: 'transport/*', may: base, never: ['transport/open-transport'], node: 'all' },
  {
    of: 'transport/memory',
    may: [...base, 'transport/*'],
    never: ['transport/open-transport'],
    node: 'none',
  },
  { of: 'transport/tcp', may: [...base, 'transport/*'], never: ['transport/open-transport'], node: 'all' },
  {
    of: 'transport/uring',
    may: [...base, 'native', 'transport/*'],
    never: ['transport/open-transport'],
    node: 'all',
  },

  // Where time, I/O and the protocol meet; and what users hold.
  {
    of: 'engine',
    may: [
      ...base,
      'logger',
      'options',
      'state-machine',
      'statistics',
      'checksum',
      'protocol',
      'wire',
      'log',
      'native/addon',
      'checkpoint',
      'storage/checkpoint-store',
      'storage/folders',
      'storage/log-medium',
      'storage/open-medium',
      'storage/storage-error',
      'transport/transport',
      'transport/address',
      'transport/tls',
      'transport/open-transport',
    ],
    node: 'all',
  },
  {
    of: 'application',
    may: [
      ...base,
      'logger',
      'options',
      'state-machine',
      'command-batch',
      'token',
      'checksum',
      'transport/address',
      'protocol',
      'log',
      'engine',
      'native/addon',
      'checkpoint',
      'wire',
      'storage/checkpoint-store',
      'storage/directory',
      'storage/directory-lock',
      'storage/disk-usage',
      'storage/folders',
      'storage/log-medium',
      'storage/storage-error',
      'transport/tls',
      'transport/transport',
    ],
    node: 'all',
  },
  {
    of: 'replica',
    may: [
      ...base,
      'logger',
      'options',
      'state-machine',
      'command-batch',
      'token',
      'statistics',
      'application',
      'engine',
      'protocol',
      'native/addon',
      'checksum',
      'storage/checkpoint-store',
      'storage/log-medium',
      'transport/tls',
      'transport/transport',
    ],
    node: 'all',
  },
  {
    of: 'index',
    may: [
      ...base,
      'command-batch',
      'token',
      'engine/health',
      'histogram',
      'logger',
      'options',
      'state-machine',
      'statistics',
      'replica',
      'transport/tls',
    ],
    node: 'none',
  },

  // Looks at what a replica has stored, without one.
  {
    of: 'tools',
    may: [
      ...base,
      'application',
      'checkpoint',
      'checksum',
      'engine',
      'log',
      'native/addon',
      'protocol',
      'state-machine',
      'storage',
      'wire',
    ],
    node: 'all',
  },

  // Clients of a service, and what serves them.
  {
    of: 'client',
    may: [
      'errors',
      'limits',
      'rethrow',
      'command-batch',
      'checksum',
      'native/addon',
      'replica',
      'transport/address',
      'transport/transport',
    ],
    node: 'all',
  },

  // Users of the public API.
  {
    of: 'kv',
    may: [
      'contracts',
      'errors',
      'index',
      'limits',
      'logger',
      'options',
      'replica',
      'rethrow',
      'state-machine',
      'token',
      'transport/address',
      'transport/transport',
    ],
    node: 'all',
  },
  {
    of: 'cli',
    may: [
      'errors',
      'index',
      'kv',
      'logger',
      'option-checker',
      'options',
      'replica',
      'tools',
      'transport/address',
      'transport/transport',
    ],
    node: 'all',
  },
];

/** Packages that src/ may import, and where from. */
export const packageRules: readonly { readonly name: string; readonly from: string }[] = [
  { name: 'bindings', from: 'native' },
];

/** Folders whose code decides the same thing whenever and wherever it runs. */
export const pureFolders: readonly string[] = ['protocol', 'wire', 'log', 'checkpoint'];

/** Names that code in a pure folder may not mention: clocks, chance, waiting, the process. */
export const impureNames: readonly string[] = [
  'Date',
  'Promise',
  'process',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'queueMicrotask',
  'crypto',
  'fetch',
  'console',
  'globalThis',
  'require',
  'WeakRef',
  'FinalizationRegistry',
];

/** A file longer than this has more than one job. */
export const LINES_MAX = 600;
