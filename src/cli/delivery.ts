import { copyFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Condensed } from '../condense/finish.js';
import { ExitCode, formatDiagnostic, raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { checkFailed } from '../diagnostics/verify.js';
import { checkTriton, writeTriton } from '../emit/triton.js';
import type { Model } from '../graph/ir.js';
import { removeOnExit, writeFileAtomically } from '../onnx/atomic-file.js';
import { reasonOf } from '../onnx/file-errors.js';
import { checkDataName, readModel, writeModel, type WriteOptions } from '../onnx/index.js';
import type { CondenseReport } from '../report/report.js';
import { failureText } from '../verify/score-text.js';
import type { CliOptions } from './options.js';
import { checkFile, filesRead, sameFile, type ReadOptions } from './outputs.js';
import type { Streams } from './streams.js';

export type DeliveryOptions = Pick<
  CliOptions,
  'gate' | 'inPlace' | 'externalData' | 'externalThreshold' | 'emit' | 'sidecar'
>;

function outputIsInput(file: string): Diagnostic {
  return {
    code: 'OUTPUT_IS_INPUT',
    message: 'the output is the input file',
    where: file,
    advice: 'Name another file, or allow it with --in-place.',
    exitCode: ExitCode.Usage,
  };
}

/**
 * Refuses, before the work, a model that could not be written after it. It takes the place of the input only where that is asked for, and of another
 * file of the run never.
 * @throws CondenseError
 */
export async function checkOutput(
  input: string,
  output: string,
  options: Partial<DeliveryOptions> & ReadOptions,
): Promise<void> {
  if ((await sameFile(input, output)) && options.inPlace !== true) raise(outputIsInput(output));
  await checkFile(output, filesRead(options), outputUnwritable);
  if (typeof options.externalData === 'string') checkDataName(options.externalData, output);
}

/** Refuses, before the work, what cannot be emitted afterwards. @throws CondenseError */
export async function checkEmit(model: Model, { emit, inPlace }: Partial<DeliveryOptions>): Promise<void> {
  if (emit !== undefined) await checkTriton(model, emit, inPlace === true);
}

/** Where the report beside a model goes; undefined where there is none. */
export function sidecarOf(output: string | undefined, { sidecar }: Partial<DeliveryOptions>): string | undefined {
  return output === undefined || sidecar !== true ? undefined : `${output.replace(/\.onnx$/, '')}.condense.json`;
}

/**
 * Writes a model that passed its check (or all the same, without the gate); a copy of the input where nothing changed; nothing otherwise.
 * @param model the input as it was read
 * @returns the report with what was written
 */
export async function deliver(
  model: Model,
  input: string,
  output: string,
  condensed: Condensed,
  options: DeliveryOptions,
): Promise<CondenseReport> {
  const written = await writeOutput(model, input, output, condensed, options);
  if (written.output.files === undefined) return written;
  const emitted = await emitModel(output, options);
  const final = { ...written, output: { ...written.output, ...(emitted && { emitted }) } };
  await writeSidecar(output, final, options);
  return final;
}

/**
 * Writes a model that was written into a repository as well, where that is asked for.
 * @returns the files, relative to the repository
 */
export async function emitModel(output: string, options: DeliveryOptions): Promise<readonly string[] | undefined> {
  const { emit, inPlace } = options;
  if (emit === undefined) return undefined;
  // Read again: what the input kept in a data file is in that of the output now.
  return writeTriton(await readModel(output), emit, { ...externalOptions(options), inPlace: inPlace === true });
}

/** The report beside a model, where that is asked for. @throws CondenseError when it cannot be written */
export async function writeSidecar(output: string, report: object, options: DeliveryOptions): Promise<void> {
  const file = sidecarOf(output, options);
  if (file !== undefined) await writeFileAtomically(file, `${JSON.stringify(report, null, 2)}\n`);
}

async function writeOutput(
  model: Model,
  input: string,
  output: string,
  { model: reduced, report }: Condensed,
  { gate, ...external }: DeliveryOptions,
): Promise<CondenseReport> {
  if (report.status === 'unchanged') {
    const files = (await sameFile(input, output)) ? [output] : await copyModel(model, input, output);
    return withFiles(report, files, report.input.size.bytes ?? 0);
  }
  if (report.status !== 'reduced' && gate) return report;

  const status = report.status === 'reduced' ? 'reduced' : 'unverified';
  const written = await writeModel(reduced, output, externalOptions(external));
  return { ...withFiles(report, written.files, written.byteLength), status };
}

/** The exit code of a delivery; says why nothing was written. */
export function deliveryCode(final: CondenseReport, streams: Streams): ExitCode {
  if (final.status !== 'check-failed') return ExitCode.Done;
  const { failures, smallestPassing } = final.verification!.verdict;
  streams.stderr.write(`onnx-condense: ${formatDiagnostic(checkFailed(failures.map(failureText), smallestPassing))}\n`);
  return ExitCode.CheckFailed;
}

/** Where large tensors go, for the writer. */
export function externalOptions({ externalData, externalThreshold }: Partial<DeliveryOptions>): WriteOptions {
  if (externalData === undefined && externalThreshold === undefined) return {};
  return {
    externalData: {
      ...(typeof externalData === 'string' ? { name: externalData } : {}),
      ...(externalThreshold === undefined ? {} : { threshold: externalThreshold }),
    },
  };
}

function withFiles(report: CondenseReport, files: readonly string[], bytes: number): CondenseReport {
  return { ...report, output: { size: { ...report.output.size, bytes }, files: files.map((f) => path.basename(f)) } };
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
    return raise(outputUnwritable(output, reasonOf(error)), error);
  } finally {
    done();
  }
}
