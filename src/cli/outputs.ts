/** What a run is going to write is looked at before hours of work, not after. */
import { realpath } from 'node:fs/promises';
import path from 'node:path';
import { raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import { outputUnwritable } from '../diagnostics/onnx.js';
import { reportUnwritable } from '../diagnostics/report.js';
import { fileObstacle, folderObstacle } from '../onnx/writable.js';
import type { CliOptions } from './options.js';

/** Files and folders that a run writes, apart from its model. */
export interface Outputs {
  /** Files by their paths: a sidecar, a plan, a curve. */
  readonly files?: readonly (string | undefined)[];
  readonly report?: string | undefined;
  readonly checkpoint?: string | undefined;
}

/** What a run reads, as far as options name it. */
export type ReadOptions = Partial<Pick<CliOptions, 'plan' | 'config'>> & {
  readonly data?: readonly string[];
  readonly test?: readonly string[];
  readonly metric?: unknown;
};

/**
 * Says what is wrong with the places of a run's outputs.
 * @param models files of the run that none of them may replace, its other files aside
 * @throws CondenseError
 */
export async function checkOutputs(
  { files = [], report, checkpoint }: Outputs,
  models: readonly (string | undefined)[],
  options: ReadOptions,
): Promise<void> {
  const taken = [...models, ...filesRead(options)];
  for (const file of files) {
    await checkFile(file, taken, outputUnwritable);
    taken.push(file);
  }
  await checkFile(report, taken, reportUnwritable);
  const obstacle = checkpoint === undefined ? undefined : await folderObstacle(checkpoint);
  if (obstacle !== undefined) raise(outputUnwritable(checkpoint!, obstacle));
}

/** The same for a single file. @param problem says what is wrong with it */
export async function checkFile(
  file: string | undefined,
  taken: readonly (string | undefined)[],
  problem: (file: string, reason: string) => Diagnostic,
): Promise<void> {
  if (file === undefined) return;
  for (const other of taken)
    if (other !== undefined && (await sameFile(file, other))) raise(problem(file, 'it is another file of this run'));
  const obstacle = await fileObstacle(file);
  if (obstacle !== undefined) raise(problem(file, obstacle));
}

/** The files that options name; of data like `name=file.npy` both readings. */
export function filesRead({ data = [], test = [], metric, plan, config }: ReadOptions): string[] {
  const specs = [...data, ...test].flatMap((spec) => [spec, spec.slice(spec.indexOf('=') + 1)]);
  return [...specs, metric, plan, config].filter((file) => typeof file === 'string');
}

export async function sameFile(a: string, b: string): Promise<boolean> {
  const real = async (file: string): Promise<string> => realpath(file).catch(() => path.resolve(file));
  return (await real(a)) === (await real(b));
}
