import { copyFile, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { condense } from '../condense/condense.js';
import type { CondenseOptions } from '../condense/options.js';
import { ExitCode, formatDiagnostic, raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { checkFailed } from '../diagnostics/verify.js';
import type { Model } from '../graph/ir.js';
import { removeOnExit, writeFileAtomically } from '../onnx/atomic-file.js';
import { readModel, writeModel } from '../onnx/index.js';
import { planText, readPlan } from '../plan/plan-file.js';
import { formatCondenseReport } from '../report/format.js';
import type { CondenseReport } from '../report/report.js';
import { failureText } from '../verify/score-text.js';
import type { CliOptions } from './options.js';
import { ProgressLine } from './progress.js';
import type { Streams } from './streams.js';

export type ReduceOptions = Omit<CondenseOptions, 'plan'> & CliOptions;

function outputIsInput(file: string): Diagnostic {
  return {
    code: 'OUTPUT_IS_INPUT',
    message: 'the output is the input file',
    where: file,
    advice: 'Name another file, or allow it with --in-place.',
    exitCode: ExitCode.Usage,
  };
}

/** The `reduce` command: reads, condenses, checks, and only then writes. @returns the exit code */
export async function reduceCommand(
  input: string,
  output: string,
  options: ReduceOptions,
  streams: Streams,
): Promise<number> {
  const { gate, json, quiet, inPlace, externalData, externalThreshold, plan, planOut, ...condenseOptions } = options;
  if ((await sameFile(input, output)) && inPlace !== true) raise(outputIsInput(output));
  const given = plan === undefined ? undefined : await readPlan(plan);
  const model = await readModel(input);
  const progress = new ProgressLine(streams.stderr);
  const show = quiet !== true && streams.stderr.isTTY;
  const { model: reduced, report } = await condense(model, {
    ...condenseOptions,
    ...(given === undefined ? {} : { plan: given }),
    ...(show
      ? {
          onProgress: (event) => {
            progress.update(event);
          },
        }
      : {}),
  }).finally(() => {
    progress.clear();
  });

  if (planOut !== undefined && report.plan !== undefined) await writeFileAtomically(planOut, planText(report.plan));
  let final = report;
  if (report.status === 'unchanged') {
    const files = (await sameFile(input, output)) ? [output] : await copyModel(model, input, output);
    final = withFiles(report, files, report.input.size.bytes ?? 0);
  } else if (report.status === 'reduced' || !gate) {
    const status = report.status === 'reduced' ? 'reduced' : 'unverified';
    const external =
      externalData === undefined && externalThreshold === undefined
        ? {}
        : {
            externalData: {
              ...(typeof externalData === 'string' ? { name: externalData } : {}),
              ...(externalThreshold === undefined ? {} : { threshold: externalThreshold }),
            },
          };
    const written = await writeModel(reduced, output, external);
    final = { ...withFiles(report, written.files, written.byteLength), status };
  }
  tell(final, { json: json === true, quiet: quiet === true }, streams);
  if (final.status !== 'check-failed') return ExitCode.Done;
  const { failures, smallestPassing } = report.verification!.verdict;
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(checkFailed(failures.map(failureText), smallestPassing))}\n`);
  return ExitCode.CheckFailed;
}

function withFiles(report: CondenseReport, files: readonly string[], bytes: number): CondenseReport {
  return { ...report, output: { size: { ...report.output.size, bytes }, files: files.map((f) => path.basename(f)) } };
}

function tell(report: CondenseReport, { json, quiet }: { json: boolean; quiet: boolean }, streams: Streams): void {
  if (!quiet) {
    const format = { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 };
    streams.stderr.write(`${formatCondenseReport(report, format).join('\n')}\n`);
  }
  if (json) streams.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

async function sameFile(a: string, b: string): Promise<boolean> {
  const real = async (file: string): Promise<string> => realpath(file).catch(() => path.resolve(file));
  return (await real(a)) === (await real(b));
}

/** A byte copy through a temporary file; a model with external data is written again, since its data belongs to the copy's folder. */
async function copyModel(model: Model, input: string, output: string): Promise<readonly string[]> {
  if ((model.source?.externalFiles.length ?? 0) > 0) return (await writeModel(model, output)).files;
  const temporary = `${output}.${process.pid}.tmp`;
  const done = removeOnExit(temporary);
  try {
    await copyFile(input, temporary);
    await rename(temporary, output);
    return [output];
  } catch (error) {
    await rm(temporary, { force: true });
    return raise(outputUnwritable(output, error instanceof Error ? error.message : String(error)), error);
  } finally {
    done();
  }
}
