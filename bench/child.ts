/** A child process that answers each command with one report. */

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface AnyReport {
  readonly kind: string;
}

export class Child<Command extends object, Report extends AnyReport> {
  readonly #process: ChildProcess;
  readonly name: string;

  /**
   * `semiSpaceMegabytes`: of V8's young generation, in each thread; 0 leaves it as Node has it. `onCollection` gets the line that V8 prints
   * of each collection of garbage.
   */
  constructor(name: string, file: string, semiSpaceMegabytes: number, onCollection?: (line: string) => void) {
    this.name = name;
    const semiSpace = semiSpaceMegabytes === 0 ? [] : [`--max-semi-space-size=${semiSpaceMegabytes}`];
    const trace = onCollection === undefined ? [] : ['--trace-gc'];
    this.#process = fork(fileURLToPath(new URL(file, import.meta.url)), {
      stdio: ['ignore', onCollection === undefined ? 2 : 'pipe', 2, 'ipc'],
      execArgv: [...process.execArgv, ...semiSpace, ...trace],
    });
    const { stdout } = this.#process;
    if (stdout !== null && onCollection !== undefined)
      createInterface({ input: stdout }).on('line', onCollection);
  }

  /** Rejects where the process says that it failed, or ends. */
  ask<Kind extends Report['kind']>(command: Command, kind: Kind): Promise<Extract<Report, { kind: Kind }>> {
    const child = this.#process;
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        child.off('message', onMessage);
        child.off('exit', onExit);
      };
      const onExit = (code: number | null, signal: string | null): void => {
        finish();
        reject(new Error(`${this.name} ended with ${code ?? signal}`));
      };
      const onMessage = (report: Report): void => {
        if (report.kind === 'failed') {
          finish();
          reject(new Error(`${this.name}: ${(report as unknown as { message: string }).message}`));
        } else if (report.kind === kind) {
          finish();
          resolve(report as Extract<Report, { kind: Kind }>);
        }
      };
      child.on('message', onMessage);
      child.once('exit', onExit);
      if (child.exitCode !== null || child.signalCode !== null) onExit(child.exitCode, child.signalCode);
      else child.send(command);
    });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Waits until it has ended by itself (profilers write their files then), and kills it after 5 s. */
  async end(): Promise<void> {
    const child = this.#process;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await once(child, 'exit');
    clearTimeout(timer);
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }
}
