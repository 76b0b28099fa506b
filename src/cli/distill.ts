import path from 'node:path';
import { distill, type DistillOptions } from '../condense/distill.js';
import { ExitCode, formatDiagnostic } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { checkFailed } from '../diagnostics/verify.js';
import { readModel, writeModel } from '../onnx/index.js';
import type { DistillReport } from '../report/distill-report.js';
import { formatDistill } from '../report/format-distill.js';
import { failureText } from '../verify/score-text.js';
import { checkEmit, checkOutput, emitModel, externalOptions, sidecarOf, writeSidecar } from './delivery.js';
import { Interrupts } from './interrupts.js';
import { forLibrary, type CliOptions } from './options.js';
import { checkFile, checkOutputs } from './outputs.js';
import { withProgress } from './progress.js';
import { writeReport, type NamedFiles } from './report.js';
import type { Streams } from './streams.js';

/** The `distill` command: trains, checks, and only then writes. @returns the exit code */
export async function distillCommand(
  teacher: string,
  student: string,
  output: string,
  options: DistillOptions & CliOptions,
  streams: Streams,
  interrupts: Interrupts = new Interrupts(),
  argv: readonly string[] = [],
): Promise<number> {
  const { json, quiet, gate, report: page } = options;
  await checkFile(output, [teacher], outputUnwritable);
  await checkOutput(student, output, options);
  const written = { files: [sidecarOf(output, options)], report: page, checkpoint: options.checkpoint };
  await checkOutputs(written, [teacher, student, output], options);
  const given = await readModel(student);
  await checkEmit(given, options);
  const { model, report, details } = await withProgress(streams.stderr, quiet, ({ onProgress }) =>
    distill(teacher, given, {
      ...forLibrary(options),
      details: page !== undefined,
      ...interrupts.gentle(streams, onProgress),
    }),
  );
  const passed = report.status === 'trained';
  const files = passed || !gate ? (await writeModel(model, output, externalOptions(options))).files : [];
  const final = { ...report, status: passed ? report.status : gate ? report.status : 'unverified' } as const;
  const emitted = files.length === 0 ? undefined : await emitModel(output, options);
  const document = { ...final, files: files.map((f) => path.basename(f)), ...(emitted && { emitted }) };
  if (files.length > 0) await writeSidecar(output, document, options);
  if (quiet !== true) {
    const format = { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 };
    const lines = formatDistill(final, format);
    if (emitted !== undefined) lines.push(`in the model repository: ${emitted.join(', ')}`);
    streams.stderr.write(`${lines.join('\n')}\n`);
  }
  if (json === true) streams.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  const named: NamedFiles = [
    ['teacher', teacher],
    ['student', student],
    ['output', files.length === 0 ? undefined : output],
    ['data', options.data],
    ['test data', options.test],
    ['metric', typeof options.metric === 'string' ? options.metric : undefined],
  ];
  const result = { command: 'distill', report: final, ...(details && { details }) } as const;
  return writeReport(page, result, argv, named, streams, codeOf(final, streams));
}

/** The exit code of what came out; says why nothing was written. */
function codeOf({ status, verification }: DistillReport, streams: Streams): ExitCode {
  if (status !== 'check-failed') return ExitCode.Done;
  const { failures, smallestPassing } = verification.verdict;
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(checkFailed(failures.map(failureText), smallestPassing))}\n`);
  return ExitCode.CheckFailed;
}
