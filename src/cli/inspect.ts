import { inspect, type InspectOptions } from '../condense/inspect.js';
import { ExitCode } from '../diagnostics/diagnostic.js';
import { formatInspect } from '../report/format-inspect.js';
import { forLibrary, type CliOptions } from './options.js';
import { withProgress } from './progress.js';
import type { Streams } from './streams.js';

/** The `inspect` command. @returns 0 */
export async function inspectCommand(
  models: readonly string[],
  options: InspectOptions & CliOptions,
  streams: Streams,
): Promise<number> {
  const { json, quiet } = options;
  const report = await withProgress(streams.stderr, quiet, (shown) =>
    inspect(models, { ...forLibrary(options), ...shown }),
  );
  if (quiet !== true) streams.stderr.write(`${formatInspect(report, streams.stderr.columns || 160).join('\n')}\n`);
  if (json === true) streams.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return ExitCode.Done;
}
