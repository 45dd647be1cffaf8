/** Whom to be linked with, and where they are. */

import type { Configuration } from '../protocol/configuration.js';
import { parseAddress } from '../transport/address.js';
import type { Address } from '../transport/transport.js';
import type { ListedMember } from '../wire/configuration-codec.js';
import type { EngineOptions } from './engine-types.js';
import type { Peer } from './links.js';

/**
 * Everyone who is a member, who is named in the options, or who is wanted as one: by a change that was asked for here, or for the first configuration. An
 * address of the options goes before that in the configuration: it moves without a decree.
 */
export function peersOf(
  options: EngineOptions,
  configuration: Configuration | null,
  wanted: readonly ListedMember[],
): Peer[] {
  const peers: Map<string, Peer> = new Map();
  const add = (id: string, address: Address | null, isNewcomer = false): void => {
    if (address !== null && id !== options.replica && !peers.has(id))
      peers.set(id, { id, address, isNewcomer });
  };
  for (const { id, address } of options.members) add(id, address);
  for (const { id, address } of configuration?.members ?? []) add(id, parseAddress(address ?? ''));
  for (const { id, address } of wanted) add(id, parseAddress(address), true);
  return [...peers.values()];
}
