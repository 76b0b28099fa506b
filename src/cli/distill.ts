import path from 'node:path';
import { distill, type DistillOptions } from '../condense/distill.js';
import { ExitCode, formatDiagnostic } from '../diagnostics/diagnostic.js';
import { checkFailed } from '../diagnostics/verify.js';
import { writeModel } from '../onnx/index.js';
import { formatDistill } from '../report/format-distill.js';
import { failureText } from '../verify/score-text.js';
import { checkOutput, externalOptions, writeSidecar } from './delivery.js';
import { Interrupts } from './interrupts.js';
import { forLibrary, type CliOptions } from './options.js';
import { withProgress } from './progress.js';
import type { Streams } from './streams.js';

/** The `distill` command: trains, checks, and only then writes. @returns the exit code */
export async function distillCommand(
  teacher: string,
  student: string,
  output: string,
  options: DistillOptions & CliOptions,
  streams: Streams,
  interrupts: Interrupts = new Interrupts(),
): Promise<number> {
  const { json, quiet, gate } = options;
  await checkOutput(teacher, output, {});
  await checkOutput(student, output, {});
  const { model, report } = await withProgress(streams.stderr, quiet, ({ onProgress }) =>
    distill(teacher, student, { ...forLibrary(options), ...interrupts.gentle(streams, onProgress) }),
  );
  const passed = report.status === 'trained';
  const files = passed || !gate ? (await writeModel(model, output, externalOptions(options))).files : [];
  const final = { ...report, status: passed ? report.status : gate ? report.status : 'unverified' } as const;
  const document = { ...final, files: files.map((f) => path.basename(f)) };
  if (options.sidecar === true && files.length > 0) await writeSidecar(output, document);
  if (quiet !== true) {
    const format = { colour: streams.stderr.isTTY, width: streams.stderr.columns || 160 };
    streams.stderr.write(`${formatDistill(final, format).join('\n')}\n`);
  }
  if (json === true) streams.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  if (final.status !== 'check-failed') return ExitCode.Done;
  const { failures, smallestPassing } = report.verification.verdict;
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(checkFailed(failures.map(failureText), smallestPassing))}\n`);
  return ExitCode.CheckFailed;
}
