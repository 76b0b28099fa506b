import { bench, type BenchOptions } from '../condense/bench.js';
import { ExitCode } from '../diagnostics/diagnostic.js';
import { formatBench } from '../report/format-bench.js';
import { forLibrary, type CliOptions } from './options.js';
import type { Streams } from './streams.js';

/** The `bench` command. @returns 0 */
export async function benchCommand(
  models: readonly string[],
  options: BenchOptions & CliOptions,
  streams: Streams,
): Promise<number> {
  const { json, quiet } = options;
  const report = await bench(models, forLibrary(options));
  if (quiet !== true) streams.stderr.write(`${formatBench(report, streams.stderr.columns || 160).join('\n')}\n`);
  if (json === true) streams.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return ExitCode.Done;
}
