/**
 * Aim: nobody is linked with a replica that does not speak the version of the protocol in force, and a build goes on from no log that is under
 * another one (docs/protocol.md, rule 11). Method: the judgement of each end, and logs as another build leaves them.
 */

import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/checksum.js';
import { FrameIntake, type FrameIntakeOptions } from '../../src/engine/frame-intake.js';
import type { Hello } from '../../src/engine/hello.js';
import type { Link } from '../../src/engine/links.js';
import { HeapPlace } from '../../src/engine/places.js';
import { configurationIn, judgeVersions, tooNew, tooOld } from '../../src/engine/versions.js';
import type { SynodError } from '../../src/errors.js';
import { RecordKind } from '../../src/log/format.js';
import type { Configuration } from '../../src/protocol/configuration.js';
import { DecreeKind } from '../../src/protocol/decree.js';
import { FrameWriter } from '../../src/wire/codec.js';
import { encodeConfiguration } from '../../src/wire/configuration-codec.js';
import { FrameReader } from '../../src/wire/frame-reader.js';
import { configurationDecree, configurationOf, decree } from '../protocol/harness.js';
import { LogRig } from './log-rig.js';

/** `1-2 in 1`: speaks 1 to 2, and knows version 1 to be in force. */
function helloOf(text: string): Hello {
  const [, min, max, version = '0'] = /^(\d)-(\d)(?: in (\d))?$/.exec(text)!;
  return { id: 'x', versionMin: Number(min), versionMax: Number(max), version: Number(version) } as Hello;
}

const refused = { isFinal: false };
const tooOldBuild = { isFinal: true, isTooOld: true };

describe('two replicas that meet', () => {
  it.each([
    ['1-1', '1-1', null],
    ['1-2', '2-3', null],
    ['1-1', '2-2', refused],
    ['1-2 in 2', '1-1', tooOldBuild],
    ['1-2 in 2', '1-1 in 1', tooOldBuild],
    ['1-1 in 1', '1-2 in 2', refused],
    ['1-1', '1-2 in 2', refused],
    ['1-3 in 2', '1-2 in 1', null],
    ['1-2 in 1', '1-3 in 2', null],
    ['1-2 in 1', '2-3', refused],
    ['2-3', '1-2 in 1', refused],
    ['1-2 in 2', '2-3', null],
  ])('%s judges %s', (own, peer, expected) => {
    const judged = judgeVersions(helloOf(own), helloOf(peer));
    if (expected === null) expect(judged).toBe(null);
    else expect(judged).toMatchObject(expected);
  });
});

describe('a log', () => {
  const under = (version: number): LogRig => {
    const rig = new LogRig();
    rig.log.append(RecordKind.start, 0, 0, 1, null);
    const configuration = { ...configurationOf(3), ...(version === 1 ? {} : { version }) };
    rig.log.append(RecordKind.genesis, 0, 0, 0, encodeConfiguration(configuration));
    rig.log.flush();
    rig.settle();
    return rig;
  };
  const open = (rig: LogRig, min: number, max: number): (() => LogRig) => {
    const contents = rig.crash();
    return () => new LogRig({ contents, versions: { min, max } });
  };

  it('is gone on from by a build that speaks its version', () => {
    expect(open(under(2), 1, 2)().recovered.genesis?.version).toBe(2);
    expect(open(under(2), 2, 3)().recovered.genesis?.version).toBe(2);
    expect(open(under(1), 1, 1)().recovered.genesis?.number).toBe(1);
  });

  it('is refused by one that came too early or too late', () => {
    expect(open(under(2), 1, 1)).toThrow(/is under version 2 of the protocol, this build speaks 1 to 1/);
    expect(open(under(1), 2, 3)).toThrow(/version 1 of the protocol is in force, this build speaks 2 to 3/);
  });

  it('is refused where a higher version was accepted, and perhaps chosen', () => {
    const rig = under(1);
    const next = { ...configurationOf(3), number: 2, version: 2 };
    const bytes = encodeConfiguration(next);
    rig.log.appendDecree(RecordKind.accept, 1, 65_537, 1, {
      kind: DecreeKind.configuration,
      bytes: bytes.length,
      checksum: crc32c(bytes, 0, bytes.length, 0),
      commands: 0,
      configuration: next,
      source: new HeapPlace([bytes]),
    });
    rig.log.flush();
    rig.settle();
    expect(open(rig, 1, 1)).toThrow(/configuration 2 is under version 2/);
    expect(open(rig, 1, 2)().recovered.protocol.accepted.get(1)?.decree.configuration?.version).toBe(2);
  });
});

describe('a configuration', () => {
  const raised = { ...configurationOf(3), number: 2, version: 2 };

  it('is looked for in whatever may bring one', () => {
    const brings = { slot: 1, ballot: 65_537, decree: configurationDecree(raised) };
    expect(configurationIn({ kind: 'accept', chosen: 0, ...brings })).toBe(raised);
    expect(configurationIn({ kind: 'learn', ...brings })).toBe(raised);
    expect(configurationIn({ kind: 'promise-entry', acceptedBallot: 65_537, ...brings })).toBe(raised);
    expect(configurationIn({ kind: 'genesis', configuration: raised })).toBe(raised);
    expect(configurationIn({ kind: 'accept', chosen: 0, ...brings, decree: decree('x') })).toBe(null);
    expect(configurationIn({ kind: 'defunct', chosen: 1 })).toBe(null);
  });

  it('is for builds that speak its version', () => {
    expect(tooNew(raised, { min: 1, max: 1 })?.code).toBe('ERR_SYNOD_VERSION');
    expect(tooNew(raised, { min: 1, max: 2 })).toBe(null);
    expect(tooOld(raised, { min: 3, max: 3 })?.code).toBe('ERR_SYNOD_VERSION');
    expect(tooOld(raised, { min: 2, max: 3 })).toBe(null);
  });
});

describe('a frame that brings one', () => {
  /** What the protocol is given, where the frame brings a configuration under `version`. */
  function taken(version: number, max: number): { inputs: unknown[]; fences: string[] } {
    const inputs: unknown[] = [];
    const fences: string[] = [];
    const configuration = { ...configurationOf(3), ...(version === 1 ? {} : { version }) };
    const payload = encodeConfiguration(configuration);
    const checksum = crc32c(payload, 0, payload.length, 0);
    const writer = new FrameWriter(crc32c);
    const bytes = writer.message({ kind: 'genesis', configuration }, 0, payload.length, checksum);
    const reader = new FrameReader(crc32c, 65_536, () => {});
    const whole = Buffer.concat([writer.bytes.subarray(0, bytes), payload]);
    reader.push(whole, 0, whole.length, 1);
    const link = { peer: {}, reader, number: 2 } as unknown as Link;
    const intake = new FrameIntake({
      links: { nextFrame: () => reader.next() },
      hasRoom: () => true,
      decreeBytesMax: 100,
      payloadBytesMax: 10_000,
      step: (input: unknown) => void inputs.push(input),
      onGenesis: () => true,
      tooNew: (one: Configuration) => tooNew(one, { min: 1, max }),
      onTooNew: ({ code }: SynodError) => void fences.push(code),
    } as unknown as FrameIntakeOptions);
    intake.onReceived(link);
    intake.read();
    return { inputs, fences };
  }

  it('is taken where its version is spoken, and stops the replica where it is not', () => {
    expect(taken(2, 2)).toMatchObject({ inputs: [{ kind: 'message' }], fences: [] });
    expect(taken(1, 1)).toMatchObject({ inputs: [{ kind: 'message' }], fences: [] });
    expect(taken(2, 1)).toEqual({ inputs: [], fences: ['ERR_SYNOD_VERSION'] });
  });
});
