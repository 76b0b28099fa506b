import { diff, type DiffOptions } from '../condense/diff.js';
import { ExitCode } from '../diagnostics/diagnostic.js';
import { formatDiff } from '../report/format-diff.js';
import { forLibrary, type CliOptions } from './options.js';
import type { Streams } from './streams.js';

/** The `diff` command. @returns 0, whether or not the models differ */
export async function diffCommand(
  a: string,
  b: string,
  options: DiffOptions & CliOptions,
  streams: Streams,
): Promise<number> {
  const { json, quiet } = options;
  const report = await diff(a, b, forLibrary(options));
  if (quiet !== true) {
    const format = { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 };
    streams.stderr.write(`${formatDiff(report, format).join('\n')}\n`);
  }
  if (json === true) streams.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  return ExitCode.Done;
}
