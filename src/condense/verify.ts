import { loadDataset, type Dataset } from '../calibration/dataset.js';
import type { InputSpec } from '../calibration/sources/source.js';
import { raise } from '../diagnostics/diagnostic.js';
import { interfacesDiffer } from '../diagnostics/verify.js';
import type { Model } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import { resolveProvider, type ProviderChoice } from '../runtime/providers.js';
import type { SessionOptions } from '../runtime/session.js';
import type { ReportDetails } from '../report/details.js';
import { compareModels } from '../verify/compare-models.js';
import { judgementOf } from '../verify/metric-module.js';
import { OutputSampler } from '../verify/output-sampler.js';
import type { VerificationReport } from '../verify/report-types.js';
import { rolloutOf, type RolloutOptions } from '../verify/rollout.js';
import { checkOutputNames } from './names.js';
import type { CondenseOptions } from './options.js';
import { pairDetails } from './pair-details.js';
import { dataInputs } from './prepare.js';

/** Options of {@link verify}. */
export interface VerifyOptions extends RolloutOptions {
  /** As for {@link condense}; every row is a check row. */
  readonly data: readonly string[];
  readonly maxRows?: number;
  readonly images?: CondenseOptions['images'];
  readonly tolerance?: string;
  readonly metric?: CondenseOptions['metric'];
  readonly rowTolerance?: number;
  readonly classes?: readonly string[];
  readonly provider?: ProviderChoice;
  readonly batch?: number;
  readonly onProgress?: CondenseOptions['onProgress'];
}

/** What {@link verifyInDetail} gives back. */
export interface Verified {
  readonly report: VerificationReport;
  /** What {@link htmlReport} shows beside the report. */
  readonly details: ReportDetails;
}

/**
 * Compares two models with the same inputs and outputs on data that neither was made from.
 * @throws CondenseError when their interfaces differ or the data does not fit
 */
export async function verify(
  reference: Model | string,
  candidate: Model | string,
  options: VerifyOptions,
): Promise<VerificationReport> {
  return (await compared(reference, candidate, options, undefined)).report;
}

/** The same with what {@link htmlReport} draws: samples of the outputs, the worst rows, both networks, and how fast they are. */
export async function verifyInDetail(
  reference: Model | string,
  candidate: Model | string,
  options: VerifyOptions,
): Promise<Verified> {
  const sampler = new OutputSampler();
  const { a, b, dataset, session, report } = await compared(reference, candidate, options, sampler);
  return { report, details: await pairDetails(a, b, dataset, session, sampler) };
}

async function compared(
  reference: Model | string,
  candidate: Model | string,
  options: VerifyOptions,
  sampler: OutputSampler | undefined,
): Promise<{
  readonly a: Model;
  readonly b: Model;
  readonly dataset: Dataset;
  readonly session: SessionOptions;
  readonly report: VerificationReport;
}> {
  const [a, b] = [
    typeof reference === 'string' ? await readModel(reference) : reference,
    typeof candidate === 'string' ? await readModel(candidate) : candidate,
  ];
  const judgement = await judgementOf(options);
  checkInterfaces(a, b);
  checkOutputNames(a, options.classes);
  const dataset = await loadDataset(options.data, dataInputs(a), { maxRows: options.maxRows, images: options.images });
  const { provider } = await resolveProvider(options.provider ?? 'cpu');
  const session: SessionOptions = { provider };
  const rollout = await rolloutOf(options, a, dataset, session);
  const rows = Int32Array.from({ length: dataset.rows }, (_, i) => i);
  const report = await compareModels(a, b, dataset, rows, {
    session,
    batch: dataset.fixedBatch ?? options.batch ?? 256,
    ...judgement,
    rollout,
    exact: false,
    rowTolerance: options.rowTolerance,
    classes: options.classes ?? [],
    farthest: undefined,
    sampler,
    onRows: (done, total) => options.onProgress?.({ stage: 'verify', message: 'rows', done, total }),
    onSteps: (done, total) => options.onProgress?.({ stage: 'verify', message: 'steps of the rollout', done, total }),
  });
  return { a, b, dataset, session, report };
}

/** Two models that take the same: names, types, and shapes as far as both fix them. @throws CondenseError */
export function checkInputs(a: Model, b: Model): void {
  const [inputs, others] = [dataInputs(a), dataInputs(b)];
  if (names(inputs) !== names(others))
    raise(interfacesDiffer(`their inputs are ${names(inputs)} and ${names(others)}`));
  for (const [i, input] of inputs.entries()) {
    const other = others[i]!;
    if (input.dtype !== other.dtype || !fits(input.shape, other.shape))
      raise(
        interfacesDiffer(`the input '${input.name}' is ${typeText(input)} in one and ${typeText(other)} in the other`),
      );
  }
}

function names(infos: readonly { readonly name: string }[]): string {
  return infos.map((i) => i.name).join(', ');
}

function fits(a: InputSpec['shape'], b: InputSpec['shape']): boolean {
  if (a === undefined || b === undefined) return true;
  return a.length === b.length && a.every((d, i) => typeof d !== 'number' || typeof b[i] !== 'number' || d === b[i]);
}

function typeText({ dtype, shape }: InputSpec): string {
  return `${dtype}${shape === undefined ? '' : ` [${shape.map((d) => d ?? '?').join(', ')}]`}`;
}

/** Two models that take and give the same. @throws CondenseError */
export function checkInterfaces(a: Model, b: Model): void {
  checkInputs(a, b);
  if (names(a.graph.outputs) !== names(b.graph.outputs))
    raise(interfacesDiffer(`their outputs are ${names(a.graph.outputs)} and ${names(b.graph.outputs)}`));
}
