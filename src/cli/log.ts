/** `synod log`: what a replica has stored, read from outside. */

import { type LogReport, type RecordReport, reportLog, reportRecord } from '../tools/log-report.js';
import { surveyLog, visitRecords } from '../tools/log-survey.js';
import type { LogCommand } from './arguments.js';
import { UsageError } from './arguments.js';
import { readConfigFile } from './config-file.js';
import type { Output } from './output.js';

/** `key value`, a line each. */
function table(report: LogReport): string {
  return Object.entries(report)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(13)} ${value}`)
    .join('\n');
}

/** One line: where, what, and then what there is to say of it. */
function line({ segment, offset, sequence, kind, ...rest }: RecordReport): string {
  const more = Object.entries(rest).map(([name, value]) => {
    return `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`;
  });
  return `${segment}:${offset}`.padEnd(14) + `${sequence}`.padEnd(9) + kind.padEnd(8) + more.join(' ');
}

/** The exit code: 1 where the log is corrupt. Throws `SynodError` where there is none. */
export async function runLog(command: LogCommand, output: Output): Promise<number> {
  const dir = command.dir ?? (await readConfigFile(command.config!)).options.dataDir;
  if (dir === undefined) throw new UsageError(`${command.config} names no dataDir`, 'log');
  const survey = surveyLog(dir);
  const { from = 0, to = Number.POSITIVE_INFINITY, json } = command;
  const isFiltered = command.from !== undefined || command.to !== undefined;
  if (command.action === 'dump') {
    const visited = visitRecords(survey, (record) => {
      const report = reportRecord(record);
      if (isFiltered && !(report.slot !== undefined && report.slot >= from && report.slot <= to)) return;
      output.line(json ? JSON.stringify(report) : line(report));
    });
    if (visited < survey.records)
      output.error(`synod: the replica dropped ${survey.records - visited} of the records meanwhile`);
  }
  const report = reportLog(survey);
  output.line(json ? JSON.stringify(report) : table(report));
  return report.verdict === 'corrupt' ? 1 : 0;
}
