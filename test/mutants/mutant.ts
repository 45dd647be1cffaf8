/**
 * What a mutant is: the real code with one known bug put in, and the checks that must find it. And how the bug is put in:
 * by text, so that a mutant that no longer fits the code is an error and not a check that never fails.
 */

/** Where the bug sits, in the words of docs/glossary.md. */
export type Fault =
  | 'persistence'
  | 'ballots'
  | 'phase 1'
  | 'phase 2'
  | 'learning'
  | 'configuration'
  | 'execution'
  | 'log'
  | 'storage'
  | 'links'
  | 'memory'
  | 'election'
  | 'reads'
  | 'statistics'
  | 'tools'
  | 'back-pressure';

export const checkNames = [
  'simulation',
  'explorer',
  'crash-states',
  'properties',
  'turmoil',
  'unit',
] as const;
export type CheckName = (typeof checkNames)[number];

export type Check =
  /** The cluster in a simulated world, from seed 1 on. */
  | {
      readonly check: 'simulation';
      readonly seeds: number;
      readonly mode?: 'unbounded';
      /** With readers in every run, who make so many reads of each consistency at once. */
      readonly reads?: number;
    }
  /** All interleavings of a small scope. */
  | { readonly check: 'explorer'; readonly scope: string; readonly statesMax: number }
  /** All media that a power cut can leave. */
  | { readonly check: 'crash-states'; readonly options: readonly string[] }
  /** The protocol alone in a simulated world, from seed 1 on. */
  | {
      readonly check: 'properties';
      readonly seeds: number;
      /** To be found by who sees only what users see: two replicas that hold different decrees for chosen. */
      readonly agreementOnly?: true;
      /** The mutant stumbles over the first contract that would stop it: what comes behind that is no run of the protocol. */
      readonly withContracts?: true;
    }
  /** The protocol alone, with checkpoints, changes of members and leases, under links and disks that do their worst; from seed 1 on. */
  | { readonly check: 'turmoil'; readonly seeds: number }
  /** A file of tests, or those of its tests whose name matches. */
  | { readonly check: 'unit'; readonly file: string; readonly name?: string };

export interface Edit {
  /** Under src/. */
  readonly file: string;
  /** Is there exactly once. */
  readonly find: string;
  readonly put: string;
}

export interface Mutant {
  /** Kebab-case, and what is wrong with it. */
  readonly name: string;
  readonly fault: Fault;
  /** The real bug: project#number, paper or commit, and what it was; or what kind of bug it is where there is no such report. */
  readonly mimics: string;
  readonly edits: readonly Edit[];
  /** Each of them must find it. */
  readonly killedBy: readonly [Check, ...Check[]];
}

/** The mutant does not fit the code any more. */
export class StaleMutantError extends Error {
  constructor(mutant: string, { file }: Edit, why: string) {
    super(
      `mutant ${mutant} does not fit src/${file} any more: ${why}. Mend its \`find\` in test/mutants/corpus.`,
    );
    this.name = 'StaleMutantError';
  }
}

const CONTRACT =
  / {2}if \(!condition\) throw new ContractViolation\('(?:requires|ensures|invariant)', contract, detail\?\.\(\)\);\n/g;

/**
 * `src/contracts.ts` without its contracts. The checks that judge from outside get this one: a contract that trips on the way
 * would hide whether they see what comes of the bug.
 */
export function leaveOutContracts(text: string): string {
  if (text.match(CONTRACT)?.length !== 3) throw new Error('src/contracts.ts is not written as it was');
  return text.replace(CONTRACT, '');
}

/** Whether the check judges by what can be seen from outside, so that contracts are left out. */
export function isFromOutside(check: Check): boolean {
  if (check.check === 'properties') return !check.withContracts;
  return check.check === 'simulation' || check.check === 'explorer' || check.check === 'turmoil';
}

/** The mutated text of each file that the mutant changes, by its name under src/. `read` yields the present text. */
export function mutate({ name, edits }: Mutant, read: (file: string) => string): Map<string, string> {
  const texts: Map<string, string> = new Map();
  for (const edit of edits) {
    const { file, find, put } = edit;
    const text = texts.get(file) ?? read(file);
    const at = text.indexOf(find);
    if (at < 0) throw new StaleMutantError(name, edit, `it does not contain ${quote(find)}`);
    if (text.indexOf(find, at + 1) >= 0)
      throw new StaleMutantError(name, edit, `it contains ${quote(find)} more than once`);
    if (find === put) throw new StaleMutantError(name, edit, 'nothing is changed');
    texts.set(file, text.slice(0, at) + put + text.slice(at + find.length));
  }
  return texts;
}

function quote(text: string): string {
  return JSON.stringify(text.length <= 100 ? text : `${text.slice(0, 97)}...`);
}
