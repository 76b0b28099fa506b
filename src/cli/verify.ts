import { verify, type VerifyOptions } from '../condense/verify.js';
import { ExitCode } from '../diagnostics/diagnostic.js';
import { formatVerification } from '../report/format.js';
import { forLibrary, type CliOptions } from './options.js';
import { withProgress } from './progress.js';
import type { Streams } from './streams.js';

/** The `verify` command. @returns 0 when the second model is within tolerance of the first, 3 when it is not */
export async function verifyCommand(
  a: string,
  b: string,
  options: VerifyOptions & CliOptions,
  streams: Streams,
): Promise<number> {
  const { json, quiet } = options;
  const report = await withProgress(streams.stderr, quiet, (shown) =>
    verify(a, b, { ...forLibrary(options), ...shown }),
  );
  if (quiet !== true) {
    const lines = formatVerification(report, { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 });
    lines.push(report.verdict.passed ? 'within tolerance' : 'not within tolerance');
    streams.stderr.write(`${lines.join('\n')}\n`);
  }
  if (json === true) streams.stdout.write(`${JSON.stringify({ schemaVersion: 1, ...report }, null, 2)}\n`);
  return report.verdict.passed ? ExitCode.Done : ExitCode.CheckFailed;
}
