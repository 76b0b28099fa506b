import { gatherRows } from '../calibration/dataset.js';
import { label, type KnownShapes } from '../channels/tracker.js';
import { condensingSites } from '../channels/sites.js';
import type { ChannelAnalysis, TargetNode } from '../channels/types.js';
import { rowsAreFew, type DataNote } from '../diagnostics/calibration.js';
import { CondenseError, ExitCode, type Diagnostic } from '../diagnostics/diagnostic.js';
import { errorNotReached, scoreNotReached, speedNotReached } from '../diagnostics/plan.js';
import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { countMacs } from '../graph/macs.js';
import type { ReportDetails } from '../report/details.js';
import type { CondenseReport, LatencyReport, NodeReport } from '../report/report.js';
import { probeShapes } from '../runtime/shapes.js';
import { compareModels } from '../verify/compare-models.js';
import { farthestRows } from '../verify/farthest.js';
import { OutputSampler } from '../verify/output-sampler.js';
import type { VerificationReport } from '../verify/report-types.js';
import { scoreText } from '../verify/score-text.js';
import { formatScoreChange, keepsScore } from '../verify/user-metric.js';
import { DEFAULT_SEED } from '../train/options.js';
import { VERSION } from '../version.js';
import { BudgetError } from './budget-error.js';
import type { Clock } from './clock.js';
import { fileBytes } from './file-bytes.js';
import type { CondenseOptions } from './options.js';
import type { Prepared } from './prepare.js';
import { networkOutline } from './outline.js';
import { withProvenance } from './provenance.js';
import type { Reduced } from './reduced.js';
import { measureSpeed, REACHED } from './speed.js';

/** Seconds for timing both models where only the report wants to know. */
const DETAIL_SECONDS = 1;

/** What {@link condense} gives back. */
export interface Condensed {
  /**
   * The reduced model with its provenance. It is the input itself (nothing to write but a copy) when the status is `unchanged`, and must not
   * be trusted when it is `check-failed`.
   */
  readonly model: Model;
  readonly report: CondenseReport;
  /** What {@link htmlReport} shows beside the report; only with `details`. */
  readonly details?: ReportDetails;
}

/**
 * Checks what a method made of a model, on the check rows, and says everything about it.
 * @param input the model as it came
 * @param candidates models that are checked on these rows in all, of which one is picked: what the sample proves shrinks with them
 * @throws BudgetError when a promise about the check rows or about speed is not kept
 */
export async function finish(
  input: Model,
  prepared: Prepared,
  reduced: Reduced,
  options: CondenseOptions,
  clock: Clock,
  candidates = 1,
): Promise<Condensed> {
  const parametersBefore = parameterCount(input);
  const parametersAfter = parameterCount(reduced.model);
  const changed = reduced.model !== prepared.input;
  const small = await shapesOf(reduced.model, prepared);
  const nodes = nodeReports(prepared, changed ? small.shapes : undefined);
  const sampler = options.details === true ? new OutputSampler() : undefined;
  const verification = changed
    ? await clock.timed('verify', () => verifyReduced(prepared, reduced.model, options, candidates, sampler))
    : null;
  if (verification !== null) {
    const missed = errorBudgetMissed(options, verification, parametersAfter);
    if (missed !== undefined) throw budgetError(missed, prepared, nodes, options);
  }
  const latency =
    options.speedup === undefined
      ? undefined
      : await clock.timed('latency', () => measureSpeed(prepared, changed ? reduced.model : prepared.input, options));
  if (latency !== undefined && latency.speedup < REACHED * options.speedup!)
    throw budgetError(speedNotReached(options.speedup!, latency.speedup, latency.batch), prepared, nodes, options);
  const passed = verification?.verdict.passed ?? true;
  const status = !changed ? 'unchanged' : passed ? 'reduced' : 'check-failed';
  const output = changed
    ? withProvenance(reduced.model, options, verification, { parametersBefore, parametersAfter, verified: passed })
    : input;
  const { fitData, folds, checkRows } = prepared.data;
  const fit = folds.reduce((sum, f) => sum + f.length, 0);
  const details =
    sampler === undefined
      ? undefined
      : await clock.timed('details', () =>
          detailsOf(prepared, reduced, changed ? small : undefined, sampler, latency, options),
        );
  return {
    ...(details === undefined ? {} : { details }),
    model: output,
    report: {
      schemaVersion: 1,
      tool: { name: 'onnx-condense', version: VERSION },
      status,
      input: {
        sha256: input.source?.sha256 ?? null,
        size: {
          parameters: parametersBefore,
          macs: countMacs(input, (await shapesOf(input, prepared)).shapes) / small.rows,
          ...(input.source === undefined ? {} : { bytes: await fileBytes(input.source) }),
        },
      },
      output: { size: { parameters: parametersAfter, macs: countMacs(reduced.model, small.shapes) / small.rows } },
      method: options.method ?? 'span',
      provider: prepared.session.provider,
      rows: { fit, validation: folds.at(-1)!.length, check: checkRows.length },
      nodes,
      passes: [
        { name: 'order-nodes', changed: prepared.ordered, notes: [] },
        { name: 'fold-batch-normalization', changed: changed && prepared.folded.length > 0, notes: prepared.folded },
        ...reduced.passes,
      ],
      ...(reduced.plan === undefined ? {} : { plan: reduced.plan }),
      ...(reduced.training === undefined ? {} : { training: reduced.training }),
      ...(latency === undefined ? {} : { latency }),
      verification,
      warnings: [...fitData.notes, ...warningsOf(prepared, fit), ...reduced.warnings],
      seconds: clock.seconds(),
    },
  };
}

/** @param small shapes of the reduced model; undefined where nothing was cut */
async function detailsOf(
  prepared: Prepared,
  reduced: Reduced,
  small: { readonly shapes: KnownShapes } | undefined,
  { outputs, checks }: OutputSampler,
  latency: LatencyReport | undefined,
  options: CondenseOptions,
): Promise<ReportDetails> {
  const { original, shapes, analysis } = prepared;
  const after = small === undefined ? undefined : { model: reduced.model, shapes: small.shapes };
  return {
    network: networkOutline({ model: original, shapes }, after, analysis),
    layers: reduced.layers ?? [],
    outputs,
    checks,
    ...(small === undefined
      ? {}
      : { latency: latency ?? (await measureSpeed(prepared, reduced.model, options, DETAIL_SECONDS)) }),
    ...(options.distill === undefined ? {} : { seed: options.seed ?? DEFAULT_SEED }),
  };
}

async function verifyReduced(
  prepared: Prepared,
  reduced: Model,
  options: CondenseOptions,
  candidates: number,
  sampler: OutputSampler | undefined,
): Promise<VerificationReport> {
  const { input, data, session, judgement, rollout } = prepared;
  const fitRows = Int32Array.from(data.folds.flatMap((f) => [...f])).sort();
  return compareModels(input, reduced, data.checkData, data.checkRows, {
    session,
    batch: data.batch,
    ...judgement,
    rollout,
    exact: options.method === 'exact',
    rowTolerance: options.rowTolerance,
    classes: options.classes ?? [],
    candidates,
    sampler,
    farthest: farthestRows(data.fitData, fitRows, data.checkData, data.checkRows),
    onRows: (done, total) => options.onProgress?.({ stage: 'verify', message: 'check rows', done, total }),
    onSteps: (done, total) => options.onProgress?.({ stage: 'verify', message: 'steps of the rollout', done, total }),
  });
}

/** `--max-error` is a promise about the check rows: validation rows chose the model, they prove nothing. */
function errorBudgetMissed(
  { maxError }: CondenseOptions,
  verification: VerificationReport,
  parameters: number,
): Diagnostic | undefined {
  if (maxError === undefined) return undefined;
  if (typeof maxError === 'object') {
    const { score: change } = maxError;
    const figures = verification.score!;
    return keepsScore(figures.reduced, figures.original, change, figures.higherIsBetter)
      ? undefined
      : scoreNotReached(figures.name, formatScoreChange(change), scoreText(figures), parameters);
  }
  const worst = Math.max(...verification.outputs.map((o) => o.nrmse ?? 0));
  return worst <= maxError ? undefined : errorNotReached(maxError, worst, parameters);
}

/** Rethrows; a budget that cannot be met is told with what stands in its way. */
export function withNodes(error: unknown, prepared: Prepared, options: Pick<CondenseOptions, 'details'>): never {
  if (!(error instanceof CondenseError) || error.diagnostic.exitCode !== ExitCode.BudgetUnreachable) throw error;
  throw budgetError(error.diagnostic, prepared, nodeReports(prepared, undefined), options);
}

/** Where details were asked for, the network as it came: what was made of it was not good enough to be shown. */
function budgetError(
  diagnostic: Diagnostic,
  { original, shapes, analysis }: Prepared,
  nodes: readonly NodeReport[],
  { details }: Pick<CondenseOptions, 'details'>,
): BudgetError {
  if (details !== true) return new BudgetError(diagnostic, nodes);
  const { nodes: drawn, edges } = networkOutline({ model: original, shapes }, undefined, analysis);
  // No layer has a picture of its own, so that each node speaks for itself.
  const network = { nodes: drawn.map((node) => ({ ...node, layers: [] })), edges };
  return new BudgetError(diagnostic, nodes, { network });
}

/** @param shapes of the reduced model; undefined where nothing was cut */
function nodeReports({ analysis }: Prepared, shapes: KnownShapes | undefined): NodeReport[] {
  return analysis.targets.map((target) => nodeReport(target, analysis, shapes));
}

function nodeReport(
  { node, width, refusal }: TargetNode,
  { values }: ChannelAnalysis,
  shapes: KnownShapes | undefined,
): NodeReport {
  const output = node.outputs[0]!;
  const map = values.get(output);
  const after = map === undefined || shapes === undefined ? width : shapes.get(output)?.[map.axis];
  return {
    node: label(node),
    opType: node.opType,
    ...(width === undefined ? {} : { before: width }),
    ...(after === undefined ? {} : { after }),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** Shapes of a model's values for the smallest feed, and how many rows that has. */
async function shapesOf(
  model: Model,
  { data, session }: Prepared,
): Promise<{ readonly shapes: KnownShapes; readonly rows: number }> {
  const rows = data.fitData.fixedBatch ?? 1;
  const feeds = gatherRows(
    data.fitData,
    Int32Array.from({ length: rows }, (_, i) => i),
  );
  return { shapes: await probeShapes(model, feeds, session), rows };
}

/** What the report should warn of before any result is looked at. @param fit rows to fit */
export function warningsOf({ analysis, providerNotes }: Prepared, fit: number): DataNote[] {
  const widest = condensingSites(analysis).reduce((most, s) => Math.max(most, s.features.length), 0);
  return [
    ...(fit < 5 * widest ? [rowsAreFew(fit, widest)] : []),
    ...providerNotes.map((message) => ({ code: 'PROVIDER_NOT_AVAILABLE', message })),
  ];
}
