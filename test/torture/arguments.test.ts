import { describe, expect, it } from 'vitest';
import { commandOf, parseTorture, UsageError } from './arguments.js';

const KINDS = ['kill', 'pause'];
const parse = (...words: string[]) => parseTorture(words, KINDS, () => 42);

describe('the command line of torture', () => {
  it('takes what it says', () => {
    expect(parse('--minutes', '0.5')).toMatchObject({
      minutes: 0.5,
      seed: 42,
      replicas: null,
      storage: 'mixed',
      partitions: 'auto',
      faults: null,
      json: false,
    });
    expect(
      parse(
        '--minutes',
        '60',
        '--seed',
        '7',
        '--replicas',
        '5',
        '--storage',
        'pmem',
        '--faults',
        'pause,kill',
      ),
    ).toMatchObject({ minutes: 60, seed: 7, replicas: 5, storage: 'pmem', faults: ['pause', 'kill'] });
    expect(parse('--help')).toBe(null);
  });

  it('can be told again, with the seed', () => {
    const words = ['--minutes', '2', '--replicas', '3', '--storage', 'file', '--faults', 'kill', '--json'];
    expect(commandOf(parse(...words)!)).toBe(
      'npm run torture -- --minutes 2 --seed 42 --rate 500 --replicas 3 --storage file --faults kill',
    );
  });

  it.each([
    [[], /--minutes is missing/],
    [['--minutes', '0'], /--minutes takes a number from 0.1 to 1440, not "0"/],
    [['--minutes', 'x'], /not "x"/],
    [['--minutes', '1', '--seed', '1.5'], /--seed takes a whole number/],
    [['--minutes', '1', '--replicas', '4'], /--replicas takes 3, 5, not "4"/],
    [['--minutes', '1', '--storage', 'tape'], /--storage takes/],
    [['--minutes', '1', '--faults', 'kill,flood'], /--faults takes kill, pause, not "flood"/],
    [['--minutes', '1', '--loud'], /--loud/],
    [['--minutes', '1', 'more'], /more/],
  ])('refuses %j', (words, message) => {
    expect(() => parse(...words)).toThrow(UsageError);
    expect(() => parse(...words)).toThrow(message);
  });
});
