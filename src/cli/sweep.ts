import { sweep, type SweepOptions } from '../condense/sweep.js';
import { ExitCode, formatDiagnostic, raise } from '../diagnostics/diagnostic.js';
import { optionsConflict } from '../diagnostics/plan.js';
import { checkFailed } from '../diagnostics/verify.js';
import { writeFileAtomically } from '../onnx/atomic-file.js';
import { readModel } from '../onnx/index.js';
import { formatCondenseReport } from '../report/format.js';
import { formatSweep, sweepCsv } from '../report/format-sweep.js';
import type { SweepReport } from '../report/sweep-report.js';
import { checkEmit, checkOutput, deliver, deliveryCode, sidecarOf } from './delivery.js';
import { forLibrary, type CliOptions } from './options.js';
import { checkOutputs } from './outputs.js';
import { withProgress } from './progress.js';
import { withRefusal, writeReport, type NamedFiles } from './report.js';
import type { Streams } from './streams.js';

/** The `sweep` command: the curve, and the model that was picked from it. @returns the exit code */
export async function sweepCommand(
  input: string,
  output: string | undefined,
  options: SweepOptions & CliOptions,
  streams: Streams,
  argv: readonly string[] = [],
): Promise<number> {
  const { json, quiet, csv, report: page } = options;
  if ((output === undefined) !== (options.pick === undefined))
    raise(optionsConflict('an output and --pick belong together', 'Give both, or neither to see the curve alone.'));
  if (json === true && csv === true)
    raise(optionsConflict('--json and --csv both want stdout', 'Name a file: --csv curve.csv.'));
  if (output !== undefined) await checkOutput(input, output, options);
  if (output === undefined && (options.emit !== undefined || options.sidecar === true))
    raise(optionsConflict('--emit and --sidecar belong to an output', 'Name one, with --pick, or leave them out.'));
  const files = [typeof csv === 'string' ? csv : undefined, sidecarOf(output, options)];
  await checkOutputs({ files, report: page }, [input, output], options);
  const model = await readModel(input);
  await checkEmit(model, options);
  const read: NamedFiles = [
    ['model', input],
    ['data', options.data],
    ['test data', options.test],
    ['metric', typeof options.metric === 'string' ? options.metric : undefined],
  ];
  const { report, picked, details } = await withRefusal(page, 'sweep', argv, read, streams, () =>
    withProgress(streams.stderr, quiet, (shown) =>
      sweep(model, { ...forLibrary(options), details: page !== undefined, ...shown }),
    ),
  );
  const final =
    picked === undefined || output === undefined ? undefined : await deliver(model, input, output, picked, options);

  const format = { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 };
  if (quiet !== true) {
    streams.stderr.write(`${formatSweep(report, format.width).join('\n')}\n`);
    if (final !== undefined) streams.stderr.write(`\n${formatCondenseReport(final, format).join('\n')}\n`);
  }
  if (typeof csv === 'string') await writeFileAtomically(csv, sweepCsv(report));
  else if (csv === true) streams.stdout.write(sweepCsv(report));
  if (json === true)
    streams.stdout.write(
      `${JSON.stringify({ ...report, ...(final === undefined ? {} : { output: final }) }, null, 2)}\n`,
    );
  const code =
    final !== undefined
      ? deliveryCode(final, streams)
      : options.pick === undefined
        ? ExitCode.Done
        : noneToPick(report, streams);
  const named: NamedFiles = [...read, ['output', final?.output.files && output]];
  const result = {
    command: 'sweep',
    report,
    ...(final && { picked: { report: final } }),
    ...(details && { details }),
  } as const;
  return writeReport(page, result, argv, named, streams, code);
}

/** Says that no point passes the check, and what would have to be allowed for the one that is nearest to it. */
function noneToPick({ points }: SweepReport, streams: Streams): ExitCode {
  const nearest = points.toSorted((a, b) => a.nrmse - b.nrmse)[0];
  const failures = points.map((p) => `point ${p.index}: nrmse ${p.nrmse.toPrecision(3)}`);
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(checkFailed(failures, nearest?.smallestPassing ?? ''))}\n`);
  return ExitCode.CheckFailed;
}
