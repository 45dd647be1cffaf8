/**
 * The configuration file of `synod serve`: the options of a replica as JSON, and where the key-value service
 * listens. Relative paths in it begin at the working directory of the process, not at the file.
 */

import { readFile } from 'node:fs/promises';
import { SynodError } from '../errors.js';
import { type AdministrationOption, administrationKinds } from '../kv/administration.js';
import type { KeyValueServerOptions } from '../kv/server-options.js';
import { OptionChecker } from '../option-checker.js';
import { type ReplicaOptions, validateOptions } from '../options.js';
import type { Address } from '../transport/transport.js';

/** A configuration file longer than this is not one. */
const FILE_BYTES_MAX = 1024 * 1024;

export interface ConfigFile {
  /** Checked, in the form that `Replica.open` takes. */
  readonly options: ReplicaOptions;
  readonly kv: { readonly listen: Address; readonly administration: AdministrationOption };
}

/** Editors of some systems put a byte order mark before the text. */
export function parseJson(text: string): unknown {
  return JSON.parse(text.startsWith('\ufeff') ? text.slice(1) : text);
}

/** The file's text as a checked configuration. `name` stands in the messages. */
export function parseConfig(text: string, name: string): ConfigFile {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw new SynodError('ERR_SYNOD_OPTION', `${name} is not JSON: ${(error as Error).message}`, {
      cause: error,
      path: name,
    });
  }
  const check = new OptionChecker();
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    check.report('options', 'an object', value);
    check.throwIfFailed(name);
  }
  const { kv, logger, ...options } = value as Record<string, unknown>;
  // A logger is an object with methods, which JSON does not have: one level is chosen on the command line instead.
  if (logger !== undefined) check.report('logger', 'no such key in a file (see --log-level)', logger);
  const service = check.object(kv, 'kv', ['listen', 'administration'], 'required');
  const listen = service === null ? null : check.address(service.listen, 'kv.listen', 0);
  const administration = check.choice(
    service?.administration,
    'kv.administration',
    administrationKinds,
    'loopback',
  );
  const mistakes = [() => check.throwIfFailed('wrong options'), () => validateOptions(options)]
    .map(mistakeOf)
    .filter((mistake) => mistake !== null);
  const [first] = mistakes;
  if (first !== undefined) {
    const texts = mistakes.map(({ message }) => message.replace(/^wrong options: /, ''));
    throw new SynodError(
      'ERR_SYNOD_OPTION',
      `${name}: ${texts.join('; ')}`,
      first.path === undefined ? {} : { path: first.path },
    );
  }
  return { options: options as unknown as ReplicaOptions, kv: { listen: listen!, administration } };
}

/** The error about options that `check` throws, or null. */
function mistakeOf(check: () => unknown): SynodError | null {
  try {
    check();
    return null;
  } catch (error) {
    if (!SynodError.is(error) || error.code !== 'ERR_SYNOD_OPTION') throw error;
    return error;
  }
}

/** What the key-value service is to be told, of itself and of its replica. */
export function serviceOptions({
  options,
  kv,
}: ConfigFile): Required<Pick<KeyValueServerOptions, 'commandBytesMax' | 'administration' | 'leases'>> {
  const { limits, leases } = validateOptions(options);
  return {
    commandBytesMax: limits.commandBytesMax,
    administration: kv.administration,
    leases: leases !== null,
  };
}

/** Reads and checks a configuration file. Throws `ERR_SYNOD_OPTION`, also where the file cannot be read. */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new SynodError('ERR_SYNOD_OPTION', `cannot read ${path}: ${(error as Error).message}`, {
      cause: error,
      path,
    });
  }
  if (text.length > FILE_BYTES_MAX) {
    throw new SynodError('ERR_SYNOD_OPTION', `${path} is longer than ${FILE_BYTES_MAX} bytes`, { path });
  }
  return parseConfig(text, path);
}
