import { inspect, inspectInDetail, type Inspected, type InspectOptions } from '../condense/inspect.js';
import { ExitCode } from '../diagnostics/diagnostic.js';
import { formatInspect } from '../report/format-inspect.js';
import { forLibrary, type CliOptions } from './options.js';
import { checkOutputs } from './outputs.js';
import { withProgress } from './progress.js';
import { writeReport, type NamedFiles } from './report.js';
import type { Streams } from './streams.js';

/** The `inspect` command. @returns 0 */
export async function inspectCommand(
  models: readonly string[],
  options: InspectOptions & CliOptions,
  streams: Streams,
  argv: readonly string[] = [],
): Promise<number> {
  const { json, quiet, report: page } = options;
  await checkOutputs({ report: page }, models, options);
  const { report, details } = await withProgress(
    streams.stderr,
    quiet,
    async (shown): Promise<Partial<Inspected> & Pick<Inspected, 'report'>> => {
      const given = { ...forLibrary(options), ...shown };
      return page === undefined ? { report: await inspect(models, given) } : inspectInDetail(models, given);
    },
  );
  if (quiet !== true) streams.stderr.write(`${formatInspect(report, streams.stderr.columns || 160).join('\n')}\n`);
  if (json === true) streams.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  const files: NamedFiles = [
    ['model', models],
    ['data', options.data],
  ];
  return writeReport(
    page,
    { command: 'inspect', report, ...(details && { details }) },
    argv,
    files,
    streams,
    ExitCode.Done,
  );
}
