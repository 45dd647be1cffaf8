/** Whom to be linked with, and where they are. */

import type { Configuration } from '../protocol/configuration.js';
import type { MemberChange } from '../protocol/reconfiguration.js';
import { parseAddress } from '../transport/address.js';
import type { Address } from '../transport/transport.js';
import type { EngineOptions } from './engine-types.js';
import type { Peer } from './links.js';

/**
 * Everyone who is a member, who is named in the options, or who is to be a member by a change that was asked for here. An
 * address of the options goes before that in the configuration: it moves without a decree.
 */
export function peersOf(
  options: EngineOptions,
  configuration: Configuration | null,
  change: MemberChange | null,
): Peer[] {
  const addresses: Map<string, Address> = new Map();
  const add = (id: string, address: Address | null): void => {
    if (address !== null && id !== options.replica && !addresses.has(id)) addresses.set(id, address);
  };
  for (const { id, address } of options.members) add(id, address);
  for (const { id, address } of configuration?.members ?? []) add(id, parseAddress(address ?? ''));
  for (const { id, address } of change?.members ?? []) add(id, parseAddress(address));
  return [...addresses].map(([id, address]) => ({ id, address }));
}
