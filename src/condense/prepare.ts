import { FOLDS, assignFolds, splitRows, type Grouping } from '../calibration/split.js';
import { gatherRows, loadDataset, type Dataset } from '../calibration/dataset.js';
import type { InputSpec } from '../calibration/sources/source.js';
import type { Batch } from '../calibration/stream.js';
import { analyseChannels } from '../channels/analysis.js';
import type { ChannelAnalysis } from '../channels/types.js';
import { countMacs } from '../graph/macs.js';
import { dataKeyMissing, dataTooFewRows, type DataNote } from '../diagnostics/calibration.js';
import { raise } from '../diagnostics/diagnostic.js';
import { modelQuantized } from '../diagnostics/graph.js';
import type { Feeds } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { elementCount } from '../graph/tensor.js';
import type { Blas } from '../runtime/blas.js';
import { resolveProvider } from '../runtime/providers.js';
import { withSession, type SessionOptions } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { judgementOf, type Judgement } from '../verify/metric-module.js';
import { rolloutOf, type Rollout } from '../verify/rollout.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { orderNodes } from '../../passes/order-nodes.js';
import { unshareConstants, type ConstantCopy } from '../../passes/unshare-constants.js';
import { checkNodeNames, checkOutputNames, nameFilter } from './names.js';
import { DEFAULT_MEMORY, type CondenseOptions } from './options.js';

/** Everything that a method needs: the model, its channels, and rows with their parts. */
export interface Prepared {
  /** The model as it came, in topological order: what the result is checked against. */
  readonly input: Model;
  /** The same with BatchNormalization folded into weights and copies in the place of shared constants: what is reduced. */
  readonly original: Model;
  /** Without the copies. */
  readonly shared: Model;
  readonly copies: readonly ConstantCopy[];
  readonly ordered: boolean;
  /** BatchNormalization nodes that were folded. */
  readonly folded: readonly string[];
  readonly analysis: ChannelAnalysis;
  /** Shapes of the original's values for `probed` rows. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly probed: number;
  /** Multiply-accumulates of the original for one row. */
  readonly macs: number;
  readonly data: CalibrationRows;
  /** What the check is judged by, the user's own measure with it. */
  readonly judgement: Judgement;
  /** What the check reports beside. */
  readonly rollout: Rollout | undefined;
  readonly session: SessionOptions;
  readonly providerNotes: readonly string[];
  readonly memory: number;
  readonly blas: Blas;
}

/** The data with its split into parts. */
export interface CalibrationRows {
  readonly fitData: Dataset;
  /** Rows of `fitData` by fold. */
  readonly folds: readonly Int32Array[];
  readonly checkData: Dataset;
  readonly checkRows: Int32Array;
  /** Rows per run of the graph. */
  readonly batch: number;
  /** Runs whose values are stacked before products are formed; 1 unless the graph has a small fixed batch. */
  readonly stack: number;
  readonly notes: readonly DataNote[];
}

/** Every fold of the fit rows. */
export const ALL_FOLDS = Array.from({ length: FOLDS }, (_, f) => f);

const DEFAULT_HOLDOUT = 0.2;
/** Most rows per run when memory does not limit them. */
const MOST_ROWS = 2048;
/** Share of the memory that one run's activations may take. */
const BATCH_SHARE = 1 / 8;
/** Rows that a product of stacked values should have. */
const STACKED_ROWS = 1024;
/** Rows with which shapes are asked for: no exporter writes three by accident. */
const PROBE_ROWS = 3;

/** Inputs of the main graph that want data: those that are not initializers. */
export function dataInputs(model: Model): InputSpec[] {
  return model.graph.inputs
    .filter((i) => !model.graph.initializers.has(i.name))
    .map((i) => ({ name: i.name, dtype: i.dtype ?? 'float32', shape: i.shape }));
}

/**
 * Reads and splits the data, asks for shapes and analyses the channels.
 * @param unshare whether shared constants may be copied where that frees channels
 * @param check whether rows are set aside for a check; without it every row may be fitted
 * @throws CondenseError for anything wrong with the input
 */
export async function prepare(
  model: Model,
  options: CondenseOptions,
  blas: Blas,
  { unshare = true, check = true }: { readonly unshare?: boolean; readonly check?: boolean } = {},
): Promise<Prepared> {
  checkOutputNames(model, options.classes);
  const judgement = await judgementOf(options);
  const { model: input, changed } = await orderNodes.run(model, undefined);
  const folding = await foldBatchNormalization.run(input, undefined);
  const shared = folding.model;
  const { provider, notes } = await resolveProvider(options.provider ?? 'cpu');
  const session: SessionOptions = { provider };
  const memory = options.memory ?? DEFAULT_MEMORY;
  const rows = await loadRows(shared, options, check);
  const rollout = await rolloutOf(options, input, rows.checkData, session);
  const probe = Array.from({ length: rows.fitData.fixedBatch ?? Math.min(PROBE_ROWS, rows.fitData.rows) }, (_, i) => i);
  const feeds = gatherRows(rows.fitData, probe);
  const shapes = await probeShapes(shared, feeds, session);
  // No shapes: the probes may be at fault, or the model, which must load by itself even if nothing in it can be condensed.
  if (shapes.size === feeds.size) await withSession(shared, session, () => Promise.resolve());
  const filter = nameFilter(options.include, options.exclude);
  const first = analyseChannels(shared, shapes, filter);
  const { model: original, copies } = unshareConstants.run(shared, unshare ? first.shared : []);
  const analysis = copies.length === 0 ? first : analyseChannels(original, shapes, filter);
  const { targets } = analysis;
  if (targets.length > 0 && targets.every((t) => t.refusal?.code === 'QUANTIZED'))
    raise(modelQuantized(targets.length));
  checkNodeNames(analysis, options);
  const { fixedBatch } = rows.fitData;
  const batch = fixedBatch ?? options.batch ?? rowsPerRun(shapes, probe.length, memory);
  const stack = fixedBatch === undefined ? 1 : Math.max(1, Math.ceil(STACKED_ROWS / fixedBatch));
  return {
    input,
    original,
    shared,
    copies,
    ordered: changed,
    folded: folding.notes,
    analysis,
    shapes,
    probed: probe.length,
    macs: countMacs(original, shapes) / probe.length,
    data: { ...rows, batch, stack },
    judgement,
    rollout,
    session,
    providerNotes: notes,
    memory,
    blas,
  };
}

/**
 * Reads the data and divides its rows into their three parts.
 * @param check whether there is a third part
 * @throws CondenseError for anything wrong with it
 */
export async function loadRows(
  model: Model,
  options: Pick<CondenseOptions, 'data' | 'test' | 'holdout' | 'group' | 'maxRows' | 'images'>,
  check = true,
): Promise<Omit<CalibrationRows, 'batch' | 'stack'>> {
  const inputs = dataInputs(model);
  const fitData = await loadDataset(options.data, inputs, { maxRows: options.maxRows, images: options.images });
  const grouping = groupingOf(fitData, options.group);
  const separate =
    options.test === undefined ? undefined : await loadDataset(options.test, inputs, { images: options.images });
  const cut = check && separate === undefined;
  const split = splitRows(fitData.rows, cut ? (options.holdout ?? DEFAULT_HOLDOUT) : 0, grouping);
  const least = (fitData.fixedBatch ?? 1) * 2;
  if (split.fit.length < least || (cut && split.check.length < (fitData.fixedBatch ?? 1))) {
    raise(dataTooFewRows(fitData.rows));
  }
  const foldOf = assignFolds(fitData.rows, split.fit, FOLDS, grouping);
  const folds = Array.from({ length: FOLDS }, (_, f) => split.fit.filter((_row, i) => foldOf[i] === f));
  return {
    fitData,
    folds,
    checkData: separate ?? fitData,
    checkRows: separate === undefined ? split.check : Int32Array.from({ length: separate.rows }, (_, i) => i),
    notes: [...fitData.notes, ...(separate?.notes ?? [])],
  };
}

function groupingOf(data: Dataset, group: CondenseOptions['group']): Grouping {
  if (group === undefined) return { kind: 'rows' };
  if (group === 'blocks') return { kind: 'blocks' };
  const array = data.extras.get(group.key) ?? data.inputs.find((i) => i.name === group.key && i.rowAxis === 0)?.array;
  if (array === undefined) return raise(dataKeyMissing(group.key, [...data.extras.keys()]));
  const width = array.data.length / data.rows;
  return { kind: 'key', values: Array.from({ length: data.rows }, (_, i) => array.data[i * width]!) };
}

/** Rows whose values take a part of the memory. @param probed rows that the shapes are for */
export function rowsPerRun(shapes: ReadonlyMap<string, readonly number[]>, probed: number, memory: number): number {
  let elements = 0;
  for (const dims of shapes.values()) elements += elementCount(dims);
  const bytes = (elements / probed) * 4;
  return Math.max(1, Math.min(MOST_ROWS, Math.floor((memory * BATCH_SHARE) / Math.max(bytes, 1))));
}

/** Batches over some folds. `foldOf` maps a fold to the part its moments belong to. A graph with a fixed batch leaves out a short last run; a fold too
 * small for a single one repeats its rows. */
export function batchesOf(data: CalibrationRows, folds: readonly number[], foldOf: (fold: number) => number): Batch[] {
  const batches: Batch[] = [];
  const exact = data.fitData.fixedBatch !== undefined;
  for (const fold of folds) {
    const rows = data.folds[fold]!;
    for (let start = 0; start < rows.length; start += data.batch) {
      const part = rows.subarray(start, Math.min(start + data.batch, rows.length));
      if (!exact || part.length === data.batch) batches.push(lazyBatch(data.fitData, part, foldOf(fold)));
      else if (start === 0) {
        const filled = Int32Array.from({ length: data.batch }, (_, i) => rows[i % rows.length]!);
        batches.push(lazyBatch(data.fitData, filled, foldOf(fold)));
      }
    }
  }
  return batches;
}

/** A batch that gathers its rows when they are read, so that all batches together hold no second copy of the data. */
function lazyBatch(data: Dataset, rows: Int32Array, fold: number): Batch {
  return {
    rows,
    fold,
    get feeds(): Feeds {
      return gatherRows(data, rows);
    },
  };
}
