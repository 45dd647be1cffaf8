/** Versions of the protocol: which this build speaks, and what it must keep its hands off (docs/protocol.md, rule 11). */

import { SynodError } from '../errors.js';
import { type Configuration, versionOf } from '../protocol/configuration.js';
import type { Message } from '../protocol/messages.js';
import { PROTOCOL_VERSIONS, type ProtocolVersions } from '../wire/frame.js';
import type { Hello, Refusal } from './hello.js';

/** Of a replica that is opened with these options. */
export function versionsOf({ versions }: { readonly versions?: ProtocolVersions }): ProtocolVersions {
  return versions ?? PROTOCOL_VERSIONS;
}

/** The version in force; 0 before the first configuration. */
export function versionInForce(configuration: Configuration | null): number {
  return configuration === null ? 0 : versionOf(configuration);
}

/** Why a replica must not go on under the configuration, nor write it down; null where it may. */
export function tooNew(configuration: Configuration, { min, max }: ProtocolVersions): SynodError | null {
  const version = versionOf(configuration);
  if (version <= max) return null;
  return new SynodError(
    'ERR_SYNOD_VERSION',
    `configuration ${configuration.number} is under version ${version} of the protocol, this build speaks ${min} to ${max}: start a newer one`,
  );
}

/** Why a replica must not go on under the configuration in force, where its build came too early; null where it may. */
export function tooOld(configuration: Configuration, { min, max }: ProtocolVersions): SynodError | null {
  const version = versionOf(configuration);
  if (version >= min) return null;
  return new SynodError(
    'ERR_SYNOD_VERSION',
    `version ${version} of the protocol is in force, this build speaks ${min} to ${max}: raise it by a build that speaks both`,
  );
}

/**
 * Why two replicas cannot be linked, or null. `own` judges `peer`. What either knows to be in force counts: who does not speak it takes
 * no part, and a build whose lowest version is not in force yet came too early.
 */
export function judgeVersions(own: Hello, peer: Hello): Refusal | null {
  const version = Math.max(own.version, peer.version);
  const { versionMin, versionMax } = peer;
  if (versionMax < version) {
    const reason = `version ${version} of the protocol is in force, the build of "${peer.id}" speaks ${versionMin} to ${versionMax}`;
    return { reason, isFinal: true, isTooOld: true };
  }
  const isSpoken =
    version === 0 || [own, peer].every((one) => one.versionMin <= version && version <= one.versionMax);
  const isShared = versionMin <= own.versionMax && own.versionMin <= versionMax;
  if (isSpoken && isShared) return null;
  const inForce = version === 0 ? '' : `, version ${version} is in force`;
  return {
    reason: `protocol versions ${versionMin} to ${versionMax}, this build speaks ${own.versionMin} to ${own.versionMax}${inForce}`,
    isFinal: false,
  };
}

/** What fences a replica that a peer refuses for good. */
export function refusedFor({ reason, isTooOld = false }: Refusal): SynodError {
  const code = isTooOld ? 'ERR_SYNOD_VERSION' : 'ERR_SYNOD_REFUSED';
  return new SynodError(code, `the peers refuse this replica: ${reason}`);
}

/** What the message would have this replica write down or take part in; null where that is no configuration. */
export function configurationIn(message: Message): Configuration | null {
  switch (message.kind) {
    case 'accept':
    case 'learn':
    case 'promise-entry':
      return message.decree.configuration;
    case 'genesis':
      return message.configuration;
    default:
      return null;
  }
}
