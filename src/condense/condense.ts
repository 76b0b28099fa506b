import { stat } from 'node:fs/promises';
import path from 'node:path';
import { gatherRows, loadDataset } from '../calibration/dataset.js';
import { rowsAreFew, type DataNote } from '../diagnostics/calibration.js';
import { CondenseError, ExitCode, raise, type Diagnostic } from '../diagnostics/diagnostic.js';
import { errorNotReached, optionsConflict, scoreNotReached } from '../diagnostics/plan.js';
import { interfacesDiffer } from '../diagnostics/verify.js';
import { label, type KnownShapes } from '../channels/tracker.js';
import { condensingSites } from '../channels/sites.js';
import type { ChannelAnalysis, TargetNode } from '../channels/types.js';
import { parameterCount } from '../graph/edit.js';
import type { Model, ModelSource } from '../graph/ir.js';
import { readModel } from '../onnx/index.js';
import { countMacs } from '../graph/macs.js';
import { scoreText } from '../verify/score-text.js';
import type { CondenseReport, NodeReport } from '../report/report.js';
import { Blas } from '../runtime/blas.js';
import { resolveProvider, type ProviderChoice } from '../runtime/providers.js';
import { probeShapes } from '../runtime/shapes.js';
import { compareModels } from '../verify/compare-models.js';
import { farthestRows } from '../verify/farthest.js';
import { judgementOf } from '../verify/metric-module.js';
import type { VerificationReport } from '../verify/report-types.js';
import { parseTolerance } from '../verify/tolerance.js';
import { formatScoreChange, keepsScore } from '../verify/user-metric.js';
import { VERSION } from '../version.js';
import { shareEqualConstants, unshareConstants } from '../../passes/unshare-constants.js';
import { BudgetError } from './budget-error.js';
import { checkOutputNames } from './names.js';
import type { CondenseOptions } from './options.js';
import { dataInputs, prepare, type Prepared } from './prepare.js';
import { withProvenance } from './provenance.js';
import { reduceByCosine } from './reduce-cosine.js';
import { reduceExactly } from './reduce-exact.js';
import { reduceBySpan } from './reduce-span.js';
import type { Reduced } from './reduced.js';

/** What {@link condense} gives back. */
export interface Condensed {
  /**
   * The reduced model with its provenance. It is the input itself (nothing to write but a copy) when the status is `unchanged`, and must not
   * be trusted when it is `check-failed`.
   */
  readonly model: Model;
  readonly report: CondenseReport;
}

/**
 * Makes a smaller model that computes the same as `model` on data like `options.data`, and checks it on rows that no fit saw.
 *
 * It writes nothing: hand `model` to `writeModel` when `report.status` is `reduced`. A model that fails the check has the status
 * `check-failed`.
 * @param model a model, or the path of one
 * @throws CondenseError for wrong options, data or models (exit codes 2 and 4), and when no plan meets the budget (5)
 */
export async function condense(model: Model | string, options: CondenseOptions): Promise<Condensed> {
  checkOptions(options);
  const started = performance.now();
  const seconds: Record<string, number> = {};
  const timed = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await work();
    seconds[name] = Number(((performance.now() - start) / 1000).toFixed(2));
    return result;
  };
  const input = typeof model === 'string' ? await readModel(model) : model;
  const blas = new Blas();
  try {
    const parametersBefore = parameterCount(input);
    const attempt = async (unshare: boolean): Promise<readonly [Prepared, Reduced]> => {
      const ready = await timed('prepare', () => prepare(input, options, blas, { unshare }));
      return [
        ready,
        await timed('reduce', () => reduceWith(ready, options)).catch((e: unknown) => withNodes(e, ready)),
      ];
    };
    let [prepared, reduced] = await attempt(true);
    // Copies of shared constants that cost more than they save.
    if (prepared.copies.length > 0 && parameterCount(reduced.model) > parametersBefore)
      [prepared, reduced] = await attempt(false);
    const parametersAfter = parameterCount(reduced.model);
    const changed = reduced.model !== prepared.input;
    const small = await shapesOf(reduced.model, prepared);
    const nodes = nodeReports(prepared, changed ? small.shapes : undefined);
    const verification = changed ? await timed('verify', () => verifyReduced(prepared, reduced.model, options)) : null;
    if (verification !== null) {
      const missed = errorBudgetMissed(options, verification, parametersAfter);
      if (missed !== undefined) throw new BudgetError(missed, nodes);
    }
    const passed = verification?.verdict.passed ?? true;
    const status = !changed ? 'unchanged' : passed ? 'reduced' : 'check-failed';
    const output = changed
      ? withProvenance(reduced.model, options, verification, { parametersBefore, parametersAfter, verified: passed })
      : input;
    seconds['total'] = Number(((performance.now() - started) / 1000).toFixed(2));
    const { fitData, folds, checkRows } = prepared.data;
    const fit = folds.reduce((sum, f) => sum + f.length, 0);
    return {
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
        verification,
        warnings: [...fitData.notes, ...warningsOf(prepared, fit), ...reduced.warnings],
        seconds,
      },
    };
  } finally {
    await blas.release();
  }
}

const METHODS = { exact: reduceExactly, cosine: reduceByCosine, span: reduceBySpan };

async function reduceWith(prepared: Prepared, options: CondenseOptions): Promise<Reduced> {
  const reduced = await METHODS[options.method ?? 'span'](prepared, options);
  if (reduced.model === prepared.input) return reduced;
  const { model, notes } = shareEqualConstants(reduced.model, prepared.copies, prepared.shared);
  return {
    ...reduced,
    model,
    passes: [{ name: unshareConstants.name, changed: notes.length > 0, notes }, ...reduced.passes],
  };
}

/** Options that cannot hold together. @throws CondenseError */
function checkOptions(options: CondenseOptions): void {
  const method = options.method ?? 'span';
  const { keepParams, keepMacs, size, maxError, keep, plan } = options;
  const budgeted = [keepParams, keepMacs, size, maxError].some((b) => b !== undefined);
  if (method === 'exact' && (budgeted || keep !== undefined)) {
    raise(
      optionsConflict(
        '--method exact removes all that is provably redundant and takes no budget',
        'Leave out budgets and --keep, or use --method span.',
      ),
    );
  }
  if (plan !== undefined && method !== 'span')
    raise(optionsConflict('--plan belongs to --method span', 'Leave out one of them.'));
  if (plan !== undefined && (budgeted || keep !== undefined))
    raise(optionsConflict('--plan sets every width', 'Leave out budgets and --keep, or edit the plan.'));
  if (method !== 'exact' && options.evidence !== undefined)
    raise(optionsConflict('--evidence belongs to --method exact', 'Leave it out.'));
  if (method !== 'cosine' && options.threshold !== undefined)
    raise(optionsConflict('--threshold belongs to --method cosine', 'Leave it out.'));
  if (method === 'cosine' && options.keep !== undefined)
    raise(optionsConflict('--keep does not apply to --method cosine', 'Use --threshold node=value.'));
  for (const [option, value] of [
    ['--keep-params', keepParams],
    ['--keep-macs', keepMacs],
    ['--size', size],
    ['--max-error', typeof maxError === 'number' ? maxError : undefined],
  ] as const)
    if (value !== undefined && !(value > 0))
      raise(optionsConflict(`${option} must be above 0`, 'Give another number.'));
  if (options.tolerance !== undefined) parseTolerance(options.tolerance);
}

async function verifyReduced(
  prepared: Prepared,
  reduced: Model,
  options: CondenseOptions,
): Promise<VerificationReport> {
  const { input, data, session, judgement } = prepared;
  const fitRows = Int32Array.from(data.folds.flatMap((f) => [...f])).sort();
  return compareModels(input, reduced, data.checkData, data.checkRows, {
    session,
    batch: data.batch,
    ...judgement,
    exact: options.method === 'exact',
    rowTolerance: options.rowTolerance,
    classes: options.classes ?? [],
    farthest: farthestRows(data.fitData, fitRows, data.checkData, data.checkRows),
    onRows: (done, total) => options.onProgress?.({ stage: 'verify', message: 'check rows', done, total }),
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
function withNodes(error: unknown, prepared: Prepared): never {
  if (!(error instanceof CondenseError) || error.diagnostic.exitCode !== ExitCode.BudgetUnreachable) throw error;
  throw new BudgetError(error.diagnostic, nodeReports(prepared, undefined));
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

/** Bytes of the model's file and of its external data. */
async function fileBytes({ path: file, byteLength, externalFiles }: ModelSource): Promise<number> {
  const data = await Promise.all(externalFiles.map((name) => stat(path.join(path.dirname(file), name))));
  return data.reduce((sum, { size }) => sum + size, byteLength);
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

function warningsOf({ analysis, providerNotes }: Prepared, fit: number): DataNote[] {
  const widest = condensingSites(analysis).reduce((most, s) => Math.max(most, s.features.length), 0);
  return [
    ...(fit < 5 * widest ? [rowsAreFew(fit, widest)] : []),
    ...providerNotes.map((message) => ({ code: 'PROVIDER_NOT_AVAILABLE', message })),
  ];
}

/** Options of {@link verify}. */
export interface VerifyOptions {
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

/**
 * Compares two models with the same inputs and outputs on data that neither was made from.
 * @throws CondenseError when their interfaces differ or the data does not fit
 */
export async function verify(
  reference: Model | string,
  candidate: Model | string,
  options: VerifyOptions,
): Promise<VerificationReport> {
  const [a, b] = [
    typeof reference === 'string' ? await readModel(reference) : reference,
    typeof candidate === 'string' ? await readModel(candidate) : candidate,
  ];
  const judgement = await judgementOf(options);
  const names = (infos: readonly { name: string }[]): string => infos.map((i) => i.name).join(', ');
  if (names(dataInputs(a)) !== names(dataInputs(b)))
    raise(interfacesDiffer(`their inputs are ${names(dataInputs(a))} and ${names(dataInputs(b))}`));
  if (names(a.graph.outputs) !== names(b.graph.outputs)) {
    raise(interfacesDiffer(`their outputs are ${names(a.graph.outputs)} and ${names(b.graph.outputs)}`));
  }
  checkOutputNames(a, options.classes);
  const dataset = await loadDataset(options.data, dataInputs(a), { maxRows: options.maxRows, images: options.images });
  const { provider } = await resolveProvider(options.provider ?? 'cpu');
  const rows = Int32Array.from({ length: dataset.rows }, (_, i) => i);
  return compareModels(a, b, dataset, rows, {
    session: { provider },
    batch: dataset.fixedBatch ?? options.batch ?? 256,
    ...judgement,
    exact: false,
    rowTolerance: options.rowTolerance,
    classes: options.classes ?? [],
    farthest: undefined,
    onRows: (done, total) => options.onProgress?.({ stage: 'verify', message: 'rows', done, total }),
  });
}
