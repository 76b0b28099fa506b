import { copyFile, realpath, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Condensed } from '../condense/finish.js';
import { ExitCode, formatDiagnostic, raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { checkFailed } from '../diagnostics/verify.js';
import { checkTriton, writeTriton } from '../emit/triton.js';
import type { Model } from '../graph/ir.js';
import { removeOnExit, writeFileAtomically } from '../onnx/atomic-file.js';
import { readModel, writeModel, type WriteOptions } from '../onnx/index.js';
import type { CondenseReport } from '../report/report.js';
import { failureText } from '../verify/score-text.js';
import type { CliOptions } from './options.js';
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

/** Refuses to write over the input, unless that is asked for. @throws CondenseError */
export async function checkOutput(input: string, output: string, { inPlace }: Partial<DeliveryOptions>): Promise<void> {
  if ((await sameFile(input, output)) && inPlace !== true) raise(outputIsInput(output));
}

/** Refuses, before the work, what cannot be emitted afterwards. @throws CondenseError */
export async function checkEmit(model: Model, { emit, inPlace }: Partial<DeliveryOptions>): Promise<void> {
  if (emit !== undefined) await checkTriton(model, emit, inPlace === true);
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
  const { emit, inPlace, sidecar } = options;
  if (written.output.files === undefined) return written;
  let final = written;
  if (emit !== undefined) {
    // Read again: what the input kept in a data file is in that of the output now.
    const emitted = await writeTriton(await readModel(output), emit, {
      ...externalOptions(options),
      inPlace: inPlace === true,
    });
    final = { ...written, output: { ...written.output, emitted } };
  }
  if (sidecar === true) await writeSidecar(output, final);
  return final;
}

/** The report beside a model. @throws CondenseError when it cannot be written */
export async function writeSidecar(output: string, report: object): Promise<void> {
  await writeFileAtomically(`${output.replace(/\.onnx$/, '')}.condense.json`, `${JSON.stringify(report, null, 2)}\n`);
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
