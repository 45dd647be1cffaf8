/** The summary of a run, for people. */

import type { Summary } from './torture.js';

const MEBIBYTE = 1024 * 1024;

export function reportOf(summary: Summary): string {
  const { recoveryMs, recoveryOfAllMs } = summary;
  const faults = Object.entries(summary.faults)
    .sort(([one], [other]) => one.localeCompare(other))
    .map(([kind, count]) => `${kind} ${count}`);
  const lines = [
    `seed ${summary.seed}, ${summary.minutes} minutes, ${summary.generations.length} clusters, ${summary.epochs} quiet points`,
    ...summary.generations.map((text) => `  ${text}`),
    `operations ${summary.operations}: acknowledged ${summary.acknowledged}, refused ${summary.refused}, unknown ${summary.unknown}`,
    `reads: ${Object.entries(summary.reads)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(', ')}`,
    `faults: ${faults.join(', ')}`,
    `served again after ${recoveryMs.p50} ms (p50), ${recoveryMs.p99} ms (p99), ${recoveryMs.max} ms (max), ${recoveryMs.count} times`,
    `everybody served again after ${recoveryOfAllMs.p50} ms, ${recoveryOfAllMs.p99} ms, ${recoveryOfAllMs.max} ms`,
    `a process held at most ${Math.round(summary.residentBytesMax / MEBIBYTE)} MiB and ${summary.descriptorsMax} file descriptors`,
    `violations: ${summary.violations.length}`,
  ];
  for (const { check, text, generation, epoch, cluster, lastFaults } of summary.violations) {
    lines.push('', `VIOLATION of ${check} in cluster ${generation}, epoch ${epoch} (${cluster})`, text);
    if (lastFaults !== summary.violations[0]?.lastFaults || check === summary.violations[0]?.check)
      lines.push('last faults:', ...lastFaults.map(({ atMs, what }) => `  ${atMs} ms  ${what}`));
  }
  if (summary.violations.length > 0) lines.push('', `again: ${summary.command}`);
  if (summary.kept !== null) lines.push(`logs and data: ${summary.kept}`);
  return `${lines.join('\n')}\n`;
}
