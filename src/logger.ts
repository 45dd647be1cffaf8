/**
 * Structured logging: one line per event. The interface is the part of pino's that the library needs, so that
 * a service passes its own logger; the one made here writes JSON to standard error, or a form for people
 * where standard error is a terminal. Nothing in here ends the process, whatever is logged.
 */

import { isatty } from 'node:tty';
import { SynodError } from './errors.js';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/** `event` says what happened, in words that do not vary; whatever varies is in `fields`. */
export type LogFunction = (fields: object, event: string) => void;

/** What the library logs to. A pino logger fits; so does anything with these six methods. */
export interface Logger {
  readonly trace: LogFunction;
  readonly debug: LogFunction;
  readonly info: LogFunction;
  readonly warn: LogFunction;
  readonly error: LogFunction;
  /** The replica was fenced. The process goes on. */
  readonly fatal: LogFunction;
}

export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

export interface LoggerOptions {
  /** In every line as `replica`. */
  readonly replica?: string;
  /** Events below this are dropped. Default: info. */
  readonly level?: LogLevel | 'silent';
  /** `auto`: for people where standard error is a terminal, else JSON. Default: auto. */
  readonly form?: 'auto' | 'json' | 'pretty';
  /** Takes each line with its line feed. Default: standard error. */
  readonly write?: (line: string) => void;
  /** The time of an event. Default: now. */
  readonly now?: () => Date;
}

/** Names that a line begins with; a field of such a name moves aside, with an underscore before it. */
const reserved: ReadonlySet<string> = new Set(['time', 'level', 'replica', 'event']);

/** Errors as data, with the causes to the depth at which they still tell something. */
function describeError(error: Error, depth: number): object {
  const described: Record<string, unknown> = { name: error.name, message: error.message };
  const code: unknown = (error as { code?: unknown }).code;
  if (code !== undefined) described.code = code;
  if (error instanceof SynodError) {
    if (error.path !== undefined) described.path = error.path;
    if (error.offset !== undefined) described.offset = error.offset;
    if (error.outcome !== undefined) described.outcome = error.outcome;
  } else if (error.stack !== undefined) {
    described.stack = error.stack;
  }
  if (error.cause !== undefined && depth > 0) {
    described.cause = error.cause instanceof Error ? describeError(error.cause, depth - 1) : error.cause;
  }
  return described;
}

const CAUSE_DEPTH_MAX = 4;

function replacer(this: Readonly<Record<string, unknown>>, key: string, given: unknown): unknown {
  // Before its `toJSON`, which makes a list of all its bytes of a Buffer.
  const value = this[key];
  if (typeof given === 'bigint') return given.toString();
  if (value instanceof Error) return describeError(value, CAUSE_DEPTH_MAX);
  if (value instanceof Uint8Array) return `<${value.length} bytes>`;
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  return given;
}

/** JSON on one line, of anything: what cannot be written (cycles, throwing getters) is named instead. */
function toJson(value: unknown): string {
  try {
    return JSON.stringify(value, replacer) ?? 'null';
  } catch (error) {
    return JSON.stringify(
      `<not loggable: ${error instanceof Error ? error.message.split('\n')[0] : 'unknown'}>`,
    );
  }
}

function collect(fields: object): Record<string, unknown> {
  const source: object = fields instanceof Error ? { error: fields } : fields;
  const collected: Record<string, unknown> = {};
  for (const name of Object.keys(source)) {
    let value: unknown;
    try {
      value = (source as Record<string, unknown>)[name];
    } catch {
      value = '<not readable>';
    }
    if (value !== undefined) collected[reserved.has(name) ? `_${name}` : name] = value;
  }
  return collected;
}

function jsonLine(
  time: Date,
  level: LogLevel,
  replica: string | undefined,
  event: string,
  fields: object,
): string {
  let line = `{"time":"${time.toISOString()}","level":"${level}"`;
  if (replica !== undefined) line += `,"replica":${JSON.stringify(replica)}`;
  line += `,"event":${JSON.stringify(event)}`;
  // Field by field, so that one that cannot be written does not take the others with it.
  for (const [name, value] of Object.entries(collect(fields)))
    line += `,${JSON.stringify(name)}:${toJson(value)}`;
  return `${line}}\n`;
}

const colours: Readonly<Record<LogLevel, string>> = {
  trace: '\u001b[90m',
  debug: '\u001b[90m',
  info: '\u001b[32m',
  warn: '\u001b[33m',
  error: '\u001b[31m',
  fatal: '\u001b[1;31m',
};

function prettyLine(
  time: Date,
  level: LogLevel,
  replica: string | undefined,
  event: string,
  fields: object,
): string {
  const clock = time.toISOString().slice(11, 23);
  let line = `${clock} ${colours[level]}${level.padEnd(5)}\u001b[0m `;
  if (replica !== undefined) line += `[${replica}] `;
  line += event;
  for (const [name, value] of Object.entries(collect(fields))) {
    const text = typeof value === 'string' && /^[\x21-\x7e]+$/.test(value) ? value : toJson(value);
    line += ` \u001b[90m${name}=\u001b[0m${text}`;
  }
  return `${line}\n`;
}

function ignore(): void {}

function writeToStandardError(line: string): void {
  // Not `process.stderr`'s own lifetime: a reader that went away must not take the replica with it.
  const { stderr } = process;
  try {
    stderr.write(line, (error) => {
      // That of a pipe comes later, to this function and then as an event, which ends the process where nobody listens. Only for this one
      // line: what others write there is theirs.
      if (error != null && stderr.listenerCount('error') === 0) stderr.once('error', ignore);
    });
  } catch {
    // Nowhere left to say it.
  }
}

/** A level that there is not, as it may come from the environment, would let everything through. */
function choose(path: keyof LoggerOptions, value: unknown, choices: readonly string[]): void {
  if (typeof value === 'string' && choices.includes(value)) return;
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value;
  const message = `wrong options: ${path}: expected one of ${choices.join(', ')}, got ${shown}`;
  throw new SynodError('ERR_SYNOD_OPTION', message, { path });
}

/** A logger that writes one line per event. Throws `ERR_SYNOD_OPTION` for a level or a form that there is not. */
export function createLogger(options: LoggerOptions = {}): Logger {
  const {
    replica,
    level = 'info',
    form = 'auto',
    write = writeToStandardError,
    now = () => new Date(),
  } = options;
  choose('level', level, [...logLevels, 'silent']);
  choose('form', form, ['auto', 'json', 'pretty']);
  const pretty = form === 'pretty' || (form === 'auto' && isatty(2));
  const format = pretty ? prettyLine : jsonLine;
  const threshold = level === 'silent' ? logLevels.length : logLevels.indexOf(level);
  const at = (eventLevel: LogLevel): LogFunction =>
    logLevels.indexOf(eventLevel) < threshold
      ? () => {}
      : (fields, event) => write(format(now(), eventLevel, replica, event, fields));
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
  };
}

/** The same, and what it throws ends nothing: it is called in the middle of everything. */
export function unthrowing(logger: Logger): Logger {
  const guarded =
    (level: LogLevel): LogFunction =>
    (fields, event) => {
      try {
        const outcome: unknown = logger[level](fields, event);
        // Of one that is async, what it throws comes later, and would end the process.
        if (outcome instanceof Promise) outcome.catch(ignore);
      } catch {
        // Nowhere left to say it.
      }
    };
  return {
    trace: guarded('trace'),
    debug: guarded('debug'),
    info: guarded('info'),
    warn: guarded('warn'),
    error: guarded('error'),
    fatal: guarded('fatal'),
  };
}

/** A logger that drops everything. */
export const silentLogger: Logger = createLogger({ level: 'silent', form: 'json' });
