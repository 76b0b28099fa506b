import { condense } from '../condense/condense.js';
import type { CondenseOptions } from '../condense/options.js';
import { raise } from '../diagnostics/diagnostic.js';
import { optionsConflict } from '../diagnostics/plan.js';
import { writeFileAtomically } from '../onnx/atomic-file.js';
import { readModel } from '../onnx/index.js';
import { planText, readPlan } from '../plan/plan-file.js';
import { formatCondenseReport } from '../report/format.js';
import type { CondenseReport } from '../report/report.js';
import { checkEmit, checkOutput, deliver, deliveryCode, sidecarOf } from './delivery.js';
import { Interrupts } from './interrupts.js';
import { forLibrary, type CliOptions } from './options.js';
import { checkOutputs } from './outputs.js';
import { withProgress } from './progress.js';
import { withRefusal, writeReport, type NamedFiles } from './report.js';
import type { Streams } from './streams.js';

export type ReduceOptions = Omit<CondenseOptions, 'plan'> & CliOptions;

/** The `reduce` command: reads, condenses, checks, and only then writes. @returns the exit code */
export async function reduceCommand(
  input: string,
  output: string,
  options: ReduceOptions,
  streams: Streams,
  interrupts: Interrupts = new Interrupts(),
  argv: readonly string[] = [],
): Promise<number> {
  const { json, quiet, plan, planOut, report: page } = options;
  await checkOutput(input, output, options);
  const files = [planOut, sidecarOf(output, options)];
  await checkOutputs({ files, report: page, checkpoint: options.checkpoint }, [input, output], options);
  if (planOut !== undefined && ((options.method ?? 'span') !== 'span' || (options.steps ?? 1) > 1))
    raise(optionsConflict('--plan-out belongs to --method span in one round', 'Leave it out.'));
  const given = plan === undefined ? undefined : await readPlan(plan);
  const model = await readModel(input);
  await checkEmit(model, options);
  const read: NamedFiles = [
    ['model', input],
    ['data', options.data],
    ['test data', options.test],
    ['metric', typeof options.metric === 'string' ? options.metric : undefined],
    ['plan', plan],
  ];
  const condensed = await withRefusal(page, 'reduce', argv, read, streams, () =>
    withProgress(streams.stderr, quiet, ({ onProgress }) =>
      condense(model, {
        ...forLibrary(options),
        ...(given === undefined ? {} : { plan: given }),
        details: page !== undefined,
        ...interrupts.gentle(streams, onProgress, options.steps),
      }),
    ),
  );

  const { report, details } = condensed;
  // The model first: nothing else is worth its place.
  const final = await deliver(model, input, output, condensed, options);
  if (planOut !== undefined && report.plan !== undefined) await writeFileAtomically(planOut, planText(report.plan));
  tell(final, { json: json === true, quiet: quiet === true }, streams);
  const named: NamedFiles = [...read, ['output', final.output.files && output]];
  const result = { command: 'reduce', report: final, ...(details && { details }) } as const;
  return writeReport(page, result, argv, named, streams, deliveryCode(final, streams));
}

function tell(report: CondenseReport, { json, quiet }: { json: boolean; quiet: boolean }, streams: Streams): void {
  if (!quiet) {
    const format = { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 };
    streams.stderr.write(`${formatCondenseReport(report, format).join('\n')}\n`);
  }
  if (json) streams.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}
