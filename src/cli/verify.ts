import { verify, verifyInDetail, type Verified, type VerifyOptions } from '../condense/verify.js';
import { ExitCode } from '../diagnostics/diagnostic.js';
import { formatVerification } from '../report/format.js';
import { forLibrary, type CliOptions } from './options.js';
import { checkOutputs } from './outputs.js';
import { withProgress } from './progress.js';
import { writeReport, type NamedFiles } from './report.js';
import type { Streams } from './streams.js';

/** The `verify` command. @returns 0 when the second model is within tolerance of the first, 3 when it is not */
export async function verifyCommand(
  a: string,
  b: string,
  options: VerifyOptions & CliOptions,
  streams: Streams,
  argv: readonly string[] = [],
): Promise<number> {
  const { json, quiet, report: page } = options;
  await checkOutputs({ report: page }, [a, b], options);
  const { report, details } = await withProgress(
    streams.stderr,
    quiet,
    async (shown): Promise<Partial<Verified> & Pick<Verified, 'report'>> => {
      const given = { ...forLibrary(options), ...shown };
      return page === undefined ? { report: await verify(a, b, given) } : verifyInDetail(a, b, given);
    },
  );
  if (quiet !== true) {
    const lines = formatVerification(report, { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 });
    lines.push(report.verdict.passed ? 'within tolerance' : 'not within tolerance');
    streams.stderr.write(`${lines.join('\n')}\n`);
  }
  if (json === true) streams.stdout.write(`${JSON.stringify({ schemaVersion: 1, ...report }, null, 2)}\n`);
  const files: NamedFiles = [
    ['reference', a],
    ['candidate', b],
    ['data', options.data],
    ['metric', typeof options.metric === 'string' ? options.metric : undefined],
  ];
  const code = report.verdict.passed ? ExitCode.Done : ExitCode.CheckFailed;
  return writeReport(page, { command: 'verify', report, ...(details && { details }) }, argv, files, streams, code);
}
