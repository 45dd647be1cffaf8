/**
 * Judges long runs in about linear time, by registers whose every write carries a serial number that no other write has.
 *
 * Evidence is what clients were told: acknowledgements of writes (with the serial that was there before, where the service
 * tells it, as SET with GET does), reads, and scans at the end. From it follows for each serial when it had certainly
 * happened at the latest (the first return of anything that saw it) and when it was certainly still there (the last call of
 * anything that saw it). Between the two no other serial may have been there: that, with nothing read before it
 * was written, is all that linearizability of a register asks for (Gibbons and Korach, 1997). The chain of predecessors
 * adds the order of the writes, and finds lost and repeated ones.
 *
 * A write whose outcome is unknown may happen at any time after its call, or never. It never counts as failed.
 */

export type Serial = number;

export type SerialRule =
  /** What was seen was never written, or was seen before its write was called. */
  | 'phantom'
  /** Seen although the write was refused: "not executed" was a lie. */
  | 'refused-yet-seen'
  /** One serial under two keys or in two places, or two serials in one place. */
  | 'one-serial-one-place'
  /** A client saw what its own acknowledged write had replaced. */
  | 'read-your-writes'
  /** A client saw what had been replaced by what it saw before. */
  | 'monotonic-reads'
  /** A client saw what had been replaced, as others knew. */
  | 'stale-read'
  /** Writes do not follow one another in one line, in an order that the times allow. */
  | 'predecessor-chain'
  /** Nothing was found where something had been written. */
  | 'absence-floor'
  /** A scan at the end does not find what was acknowledged. */
  | 'durability';

export interface Finding {
  readonly rule: SerialRule;
  readonly key: string;
  readonly text: string;
}

type Source = 'write' | 'previous' | 'read' | 'scan';

/** All that is known of one serial, or of the absence of any. */
interface Cluster {
  readonly key: string;
  /** Null: nothing has been written yet. */
  readonly serial: Serial | null;
  readonly client: number;
  readonly calledAt: number;
  isRefused: boolean;
  isSeen: boolean;
  /** By then it had happened. */
  firstReturn: number;
  firstClient: number;
  firstSource: Source;
  /** It was there at this time or later. */
  lastCall: number;
  lastClient: number;
  lastSource: Source;
  /** What it replaced; undefined where nobody told. */
  previous: Cluster | undefined;
  /** What replaced it. */
  next: Cluster | undefined;
}

interface Register {
  readonly absence: Cluster;
  /** Without those that are certainly replaced since the last `settle`. */
  readonly clusters: Map<Serial, Cluster>;
}

function newCluster(key: string, serial: Serial | null, client: number, calledAt: number): Cluster {
  const isAbsence = serial === null;
  return {
    key,
    serial,
    client,
    calledAt,
    isRefused: false,
    isSeen: isAbsence,
    firstReturn: isAbsence ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY,
    firstClient: client,
    firstSource: 'write',
    lastCall: calledAt,
    lastClient: client,
    lastSource: 'write',
    previous: undefined,
    next: undefined,
  };
}

export class SerialOracle {
  readonly #registers: Map<string, Register> = new Map();
  /** Key by serial, of those that are still in their register. */
  readonly #keys: Map<Serial, string> = new Map();
  readonly #places: Map<number, Serial> = new Map();
  readonly #placeOf: Map<Serial, number> = new Map();
  readonly #findings: Finding[] = [];
  #serials = 0;

  /** A client calls a write to `key`; yields the serial that it has to write. */
  write(key: string, client: number, calledAt: number): Serial {
    this.#serials += 1;
    const serial = this.#serials;
    this.#register(key).clusters.set(serial, newCluster(key, serial, client, calledAt));
    this.#keys.set(serial, key);
    return serial;
  }

  /** The write was acknowledged; `previous` is what was there before: null for nothing, undefined where not told. */
  acknowledge(serial: Serial, previous: Serial | null | undefined, returnedAt: number): void {
    const cluster = this.#issued(serial);
    const { key, client, calledAt } = cluster;
    see(cluster, client, cluster.calledAt, returnedAt, 'write');
    if (previous === undefined) return;
    const before = this.#seen(key, previous, client, calledAt, returnedAt, 'previous');
    if (before === undefined) return;
    if (before.next !== undefined && before.next !== cluster) {
      this.#find(
        'predecessor-chain',
        key,
        `${name(cluster)} and ${name(before.next)} both replaced ${name(before)}`,
      );
      return;
    }
    before.next = cluster;
    cluster.previous = before;
  }

  /** The write was certainly not executed, now or later. */
  refuse(serial: Serial): void {
    const cluster = this.#issued(serial);
    cluster.isRefused = true;
    if (cluster.isSeen) this.#find('refused-yet-seen', cluster.key, name(cluster));
  }

  /** A client read `serial`, or that there is nothing. */
  read(key: string, client: number, serial: Serial | null, calledAt: number, returnedAt: number): void {
    this.#seen(key, serial, client, calledAt, returnedAt, 'read');
  }

  /** The same, of a scan after everything else. */
  scan(key: string, serial: Serial | null, at: number): void {
    this.#seen(key, serial, -1, at, at, 'scan');
  }

  /** The write of `serial` was executed in slot `place`: the same one whoever tells it. */
  place(serial: Serial, place: number): void {
    const key = this.#keys.get(serial) ?? '';
    if (!this.#wasIssued(serial)) this.#find('phantom', key, `serial ${serial} in place ${place}`);
    const before = this.#placeOf.get(serial);
    if (before !== undefined && before !== place)
      this.#find('one-serial-one-place', key, `serial ${serial} in places ${before} and ${place}`);
    const other = this.#places.get(place);
    if (other !== undefined && other !== serial)
      this.#find('one-serial-one-place', key, `serials ${other} and ${serial} in place ${place}`);
    this.#placeOf.set(serial, place);
    this.#places.set(place, serial);
  }

  /** Everything that is wrong so far. */
  check(): readonly Finding[] {
    for (const [key, register] of this.#registers) {
      this.#checkChains(key, register);
      this.#checkZones(key, register);
    }
    return this.#findings;
  }

  /**
   * Checks, and forgets what was replaced, so that memory stays bounded in long runs. Nothing may be under way but writes of
   * unknown outcome; `current` is what a scan at time `at` found under every key.
   */
  settle(current: ReadonlyMap<string, Serial | null>, at: number): readonly Finding[] {
    for (const [key, serial] of current) this.scan(key, serial, at);
    this.check();
    this.#places.clear();
    this.#placeOf.clear();
    for (const [key, { clusters }] of this.#registers) {
      if (!current.has(key)) continue;
      for (const [serial, cluster] of clusters) {
        cluster.previous = undefined;
        cluster.next = undefined;
        if (serial === current.get(key) || (!cluster.isSeen && !cluster.isRefused)) continue;
        clusters.delete(serial);
        this.#keys.delete(serial);
      }
      this.#register(key).absence.next = undefined;
    }
    return this.#findings;
  }

  #register(key: string): Register {
    let register = this.#registers.get(key);
    if (register === undefined) {
      register = { absence: newCluster(key, null, -1, Number.NEGATIVE_INFINITY), clusters: new Map() };
      this.#registers.set(key, register);
    }
    return register;
  }

  #issued(serial: Serial): Cluster {
    const key = this.#keys.get(serial);
    const cluster = key === undefined ? undefined : this.#registers.get(key)?.clusters.get(serial);
    if (cluster === undefined) throw new Error(`serial ${serial} is not under way`);
    return cluster;
  }

  #wasIssued(serial: Serial): boolean {
    return Number.isInteger(serial) && serial >= 1 && serial <= this.#serials;
  }

  #seen(
    key: string,
    serial: Serial | null,
    client: number,
    calledAt: number,
    returnedAt: number,
    source: Source,
  ): Cluster | undefined {
    const { absence, clusters } = this.#register(key);
    const cluster = serial === null ? absence : clusters.get(serial);
    if (cluster === undefined) {
      const other = this.#keys.get(serial!);
      if (!this.#wasIssued(serial!)) this.#find('phantom', key, `serial ${serial} was never written`);
      else if (other !== undefined)
        this.#find('one-serial-one-place', key, `serial ${serial} belongs to ${other}`);
      else
        this.#find(
          source === 'scan' ? 'durability' : 'stale-read',
          key,
          `serial ${serial} was replaced, or never happened, before the last settlement`,
        );
      return undefined;
    }
    if (cluster.isRefused) this.#find('refused-yet-seen', key, name(cluster));
    if (returnedAt < cluster.calledAt)
      this.#find(
        'phantom',
        key,
        `${name(cluster)}, seen by ${returnedAt}, was called at ${cluster.calledAt}`,
      );
    see(cluster, client, calledAt, returnedAt, source);
    return cluster;
  }

  /** Follows each line of writes: whoever comes later in it must not have happened before an earlier one was last there. */
  #checkChains(key: string, { absence, clusters }: Register): void {
    const visited = new Set<Cluster>();
    for (const head of [absence, ...clusters.values()]) {
      if (head.previous !== undefined) continue;
      let latest = head;
      for (let cluster: Cluster | undefined = head; cluster !== undefined; cluster = cluster.next) {
        visited.add(cluster);
        if (cluster.firstReturn < latest.lastCall && cluster !== latest) {
          this.#find(
            'predecessor-chain',
            key,
            `${name(cluster)} comes behind ${name(latest)}, yet had happened by ${cluster.firstReturn} and the other was there at ${latest.lastCall}`,
          );
        }
        if (cluster.lastCall > latest.lastCall) latest = cluster;
      }
    }
    for (const cluster of clusters.values()) {
      if (visited.has(cluster)) continue;
      this.#find('predecessor-chain', key, `${name(cluster)} comes behind itself`);
      return;
    }
  }

  #checkZones(key: string, { absence, clusters }: Register): void {
    const seen = [absence, ...[...clusters.values()].filter(({ isSeen }) => isSeen)];
    const forward = seen
      .filter(({ firstReturn, lastCall }) => firstReturn < lastCall)
      .sort((a, b) => a.firstReturn - b.firstReturn);
    for (let index = 1; index < forward.length; index += 1) {
      const [a, b] = [forward[index - 1]!, forward[index]!];
      // Put back in order of their ends, so that each overlap shows between neighbours.
      if (b.firstReturn < a.lastCall) this.#findStale(key, a, b);
      if (b.lastCall < a.lastCall) forward[index] = a;
    }
    for (const cluster of seen) {
      if (cluster.firstReturn < cluster.lastCall) continue;
      const around = lastBefore(forward, cluster.lastCall);
      if (around !== undefined && cluster.firstReturn < around.lastCall)
        this.#findStale(key, around, cluster);
    }
  }

  /** `old` was there before `between` happened, and again after. */
  #findStale(key: string, old: Cluster, between: Cluster): void {
    this.#find(
      staleRule(old, between),
      key,
      `${name(between)} had happened by ${between.firstReturn} (${between.firstSource} of client ${between.firstClient}), yet ${name(old)}, which had happened by ${old.firstReturn}, was there at ${old.lastCall} (${old.lastSource} of client ${old.lastClient})`,
    );
  }

  #find(rule: SerialRule, key: string, text: string): void {
    if (
      this.#findings.some((finding) => finding.rule === rule && finding.key === key && finding.text === text)
    )
      return;
    this.#findings.push({ rule, key, text });
  }
}

function see(cluster: Cluster, client: number, calledAt: number, returnedAt: number, source: Source): void {
  cluster.isSeen = true;
  if (returnedAt < cluster.firstReturn) {
    cluster.firstReturn = returnedAt;
    cluster.firstClient = client;
    cluster.firstSource = source;
  }
  if (calledAt > cluster.lastCall) {
    cluster.lastCall = calledAt;
    cluster.lastClient = client;
    cluster.lastSource = source;
  }
}

function staleRule(old: Cluster, between: Cluster): SerialRule {
  if (old.lastSource === 'previous') return 'predecessor-chain';
  if (old.lastSource === 'scan') return 'durability';
  if (old.serial === null) return 'absence-floor';
  if (old.lastClient !== between.firstClient) return 'stale-read';
  return between.firstSource === 'write' ? 'read-your-writes' : 'monotonic-reads';
}

function name({ serial }: Cluster): string {
  return serial === null ? 'nothing' : `serial ${serial}`;
}

/** The last of `sorted` whose `firstReturn` is below `time`. */
function lastBefore(sorted: readonly Cluster[], time: number): Cluster | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]!.firstReturn < time) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}
