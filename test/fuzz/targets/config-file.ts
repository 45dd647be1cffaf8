/** Texts that come from people and files: configuration files, addresses, and the command line. */

import { parseCommandLine, UsageError } from '../../../src/cli/arguments.js';
import { parseConfig } from '../../../src/cli/config-file.js';
import { SynodError } from '../../../src/errors.js';
import { validateOptions } from '../../../src/options.js';
import { formatAddress, parseAddress } from '../../../src/transport/address.js';
import { mutateJson } from '../json-mutator.js';
import { type FuzzTarget, must, text, words } from '../target.js';

const example = {
  cluster: 'demo',
  replica: 'a',
  members: ['a', 'b', 'c'].map((id, index) => ({ id, address: `127.0.0.1:${7101 + index}` })),
  dataDir: 'data/a',
  storage: { kind: 'auto', allowVolatile: false, segmentBytes: 67_108_864 },
  transport: { kind: 'auto' },
  engine: 'worker',
  electionTimeoutMs: 300,
  heartbeatMs: 50,
  limits: { commandBytesMax: 65_536, decreeBytesMax: 131_072, pipelineDecreesMax: 16 },
  kv: { listen: '127.0.0.1:6401' },
};

function checkError(error: unknown): string {
  must(SynodError.is(error) && error.code === 'ERR_SYNOD_OPTION', 'another error', () => String(error));
  must(
    typeof error.path === 'string' && error.path.length > 0,
    'an error without a path',
    () => error.message,
  );
  must(error.message.length < 100_000, 'an endless message');
  return error.path;
}

export const configFile: FuzzTarget = {
  name: 'config-file',
  about: 'a configuration is taken or refused with ERR_SYNOD_OPTION and a path; no other object changes',
  inputBytesMax: 8 * 1024,
  guides: [
    '/src/cli/config-file',
    '/src/options',
    '/src/option-checker',
    '/src/limits',
    '/src/transport/address',
  ],
  dictionary: words(
    '__proto__',
    '"kind"',
    '"uring"',
    '"pmem"',
    '"memory"',
    '"inline"',
    'null',
    '1e400',
    '\u00ef\u00bb\u00bf',
    '\\ud800',
    '{"',
    '[::1]:1',
  ),
  seeds: () => [
    text(JSON.stringify(example)),
    text(JSON.stringify({ ...example, dataDir: undefined, storage: { kind: 'memory' }, listen: '[::1]:0' })),
  ],
  mutate: mutateJson,
  run(input, trace) {
    const source = Buffer.from(input).toString('utf8');
    try {
      const { options, kv } = parseConfig(source, 'file.json');
      must(parseAddress(formatAddress(kv.listen)) !== null, 'an address that cannot be read again');
      const resolved = validateOptions(options);
      must(Object.isFrozen(resolved) && Object.isFrozen(resolved.limits), 'options that can change');
      must(
        resolved.members.some(({ id }) => id === resolved.replica),
        'a replica that is no member',
      );
      must(Object.values(resolved.limits).every(Number.isSafeInteger), 'a limit that is no number');
      trace('valid');
    } catch (error) {
      trace(
        checkError(error)
          .replace(/[^a-zA-Z.]+/g, 'N')
          .slice(0, 20),
      );
    }
  },
};

export const commandLine: FuzzTarget = {
  name: 'command-line',
  about: 'arguments are understood or refused with UsageError; an address reads as it is written',
  inputBytesMax: 512,
  guides: ['/src/cli/arguments', '/src/transport/address'],
  dictionary: words(
    'serve\n',
    'cluster\n',
    'status\n',
    'help\n',
    '--config\n',
    '--port\n',
    '--storage\n',
    '--log-level\n',
    '--replicas\n',
    '-n\n',
    '--restart\n',
    '[::1]:',
    '%eth0',
  ),
  seeds: () => [
    text('cluster\n-n\n3\n--storage\nfile\n--port=7000'),
    text('serve\n--config\nfile.json\n--log-level\ndebug\n--stop-with-stdin'),
    text('status\n--port\n6401\n--host\n::1'),
    text('host.example:7101'),
  ],
  run(input, trace) {
    const source = Buffer.from(input).toString('latin1');
    try {
      trace(parseCommandLine(source.split('\n')).kind);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      trace(error.command ?? 'no command');
    }
    const address = parseAddress(source);
    if (address === null) return;
    const again = parseAddress(formatAddress(address));
    must(
      again !== null && again.host === address.host && again.port === address.port,
      'an address reads otherwise than it is written',
    );
  },
};
