/** The three methods, from a prepared model to a reduced one. Nothing here looks at the check rows. */
import type { Moments } from '../calibration/moments.js';
import { FOLDS } from '../calibration/split.js';
import { analyseChannels } from '../channels/analysis.js';
import { beforePooling } from '../channels/pooled-inputs.js';
import { chooseViews, condensingSites, sitesOf, withConsumers, type Site } from '../channels/sites.js';
import { label } from '../channels/tracker.js';
import type { ChannelAnalysis } from '../channels/types.js';

import type { Consumer } from '../channels/types.js';
import { raise } from '../diagnostics/diagnostic.js';
import { budgetTooSmall } from '../diagnostics/plan.js';
import { overfitted, type DataNote } from '../diagnostics/calibration.js';
import { deleteNewlyDead, parameterCount } from '../graph/edit.js';
import type { Feeds } from '../graph/feeds.js';
import type { Model } from '../graph/ir.js';
import { ParameterCost } from '../plan/cost.js';
import { widthCurve } from '../plan/curves.js';
import { standardisedSquaredError, type Outputs } from '../plan/output-error.js';
import { planRoundedWidths } from '../plan/rounding.js';
import { planWidths, predictedError, type WidthCurve } from '../plan/search.js';
import { TunableModel } from '../plan/tunable-model.js';
import type { Blas } from '../runtime/blas.js';
import { withSession } from '../runtime/session.js';
import { probeShapes } from '../runtime/shapes.js';
import { cutChannels, type Reduction } from '../../passes/cut-channels.js';
import { refitInSequence } from '../../passes/refit.js';
import { keepMask } from '../channels/keep.js';
import { absorptionRidge, plenty, validatedRidge } from '../select/absorption-ridge.js';
import { chooseChannels, orderSpace, type OrderedSpace } from '../select/ordered-space.js';
import { cosineReduction } from './cosine.js';
import { exactReduction } from './exact.js';
import { collectModelMoments, type ModelMoments } from './model-moments.js';
import { nameFilter } from './names.js';
import type { CondenseOptions } from './options.js';
import { batchesOf, type Prepared } from './prepare.js';
import { spanReduction } from './span.js';
import { StreamBasis } from './stream-basis.js';
import { fixedWidths } from './widths.js';

/** What a pass did, for the report. */
export interface PassNote {
  readonly name: string;
  readonly changed: boolean;
  readonly notes: readonly string[];
}

export interface Reduced {
  readonly model: Model;
  readonly passes: readonly PassNote[];
  readonly warnings: readonly DataNote[];
  readonly plan?: { readonly predictedNrmse: number; readonly validationNrmse?: number };
}

/** The fold that serves as validation rows while widths are chosen. */
const VALIDATION = FOLDS - 1;
/** Validation rows that plans are tried on. */
const TRIAL_ROWS = 2048;
/** Fewer where each run of the graph takes only some rows, */
const TRIAL_RUNS = 256;
/** or where a row is dear: multiply-accumulates of the trials of all spaces at one width each. */
const TRIAL_WORK = 4e11;
const LEAST_TRIAL_ROWS = 16;
/** The default of `--round-to`: what blocked kernels want at least. */
const DEFAULT_STEP = 8;
/** The default of `--max-error` when no budget is given. */
export const DEFAULT_MAX_ERROR = 1e-2;
/** A plan is accepted when its validation error is at most this share of the limit: check rows scatter. */
const MARGIN = 0.9;
/** Models that the closed loop of `--max-error` makes. */
const LOOPS = 6;

/** Mean squared standardised error of a fit below which it does not matter how it compares with the fitted rows': a thousandth, squared. */
const NEGLIGIBLE = 1e-6;

/** Share of the memory that second moments of patches may take. */
const PATCH_SHARE = 1 / 4;

const TRAINING = Array.from({ length: FOLDS }, (_, f) => f).filter((f) => f !== VALIDATION);
const ALL = Array.from({ length: FOLDS }, (_, f) => f);
const asValidation = (fold: number): number => (fold === VALIDATION ? 1 : 0);

/** Reduces by `exact`: rounds over the whole graph until nothing more is found, since merged inputs make new duplicates behind them. */
export async function reduceExactly(prepared: Prepared, options: CondenseOptions): Promise<Reduced> {
  const evidence = options.evidence ?? 'weights';
  const passes: PassNote[] = [];
  let model = prepared.original;
  let analysis = prepared.analysis;
  const batches = batchesOf(prepared.data, ALL, asValidation);
  for (let round = 0; round <= prepared.original.graph.nodes.length; round++) {
    if (analysis.spaces.length === 0) break;
    const current: Prepared = { ...prepared, original: model, analysis };
    // Values of constant channels can be read off any row; the sample's own redundancy needs all of them.
    const few = evidence === 'data' ? batches : batches.slice(0, prepared.data.stack > 1 ? 4 : 1);
    const moments = await collectModelMoments(
      current,
      few.map((b) => ({ rows: b.rows, feeds: b.feeds, fold: 0 })),
      options,
    );
    const reduction = await exactReduction(model, analysis, moments.all, evidence, prepared.blas);
    const cut = await applyCut(model, reduction);
    passes.push(...cut.passes);
    if (!cut.changed) break;
    model = cut.model;
    const shapes = await probeShapes(model, batches[0]!.feeds, prepared.session);
    analysis = analyseChannels(model, shapes, nameFilter(options.include, options.exclude));
  }
  const changed = passes.some((p) => p.changed);
  return { model: changed ? model : prepared.input, passes, warnings: [] };
}

/** Reduces by `cosine`: the paper's merge, with thresholds given or found for the budget. */
export async function reduceByCosine(prepared: Prepared, options: CondenseOptions): Promise<Reduced> {
  const { original, analysis, blas } = prepared;
  const budget = parameterBudget(prepared.input, options.keepParams);
  if (analysis.spaces.length === 0) return untouched(prepared, budget);
  const moments = await collectModelMoments(prepared, batchesOf(prepared.data, ALL, asValidation), options);
  const attempt = async (threshold: CondenseOptions['threshold']): Promise<Model> => {
    const reduction = await cosineReduction(original, analysis, moments.all, threshold ?? 0.99, blas);
    return (await applyCut(original, reduction)).model;
  };
  const finish = async (threshold: CondenseOptions['threshold']): Promise<Reduced> => {
    const reduction = await cosineReduction(original, analysis, moments.all, threshold ?? 0.99, blas);
    const cut = await applyCut(original, reduction);
    const how = typeof threshold === 'number' ? [`threshold ${threshold.toPrecision(4)}`] : [];
    return {
      model: cut.changed ? cut.model : prepared.input,
      passes: [...cut.passes, { name: 'cosine-thresholds', changed: cut.changed, notes: how }],
      warnings: [],
    };
  };
  if (options.threshold !== undefined || (options.keepParams === undefined && options.maxError === undefined)) {
    return finish(options.threshold ?? 0.99);
  }
  const validation = options.maxError === undefined ? undefined : await validationRows(prepared);
  const fits = async (threshold: number): Promise<boolean> => {
    const model = await attempt(threshold);
    if (budget !== undefined) return parameterCount(model) <= budget;
    return (await validation!.nrmse(model)) <= options.maxError! * MARGIN;
  };
  // Parameters fall with the threshold, the error grows: the border is found by halving.
  let [low, high] = [0, 1];
  if (budget !== undefined && !(await fits(low)))
    raise(budgetTooSmall(budget, parameterCount(await attempt(0)), parameterCount(original)));
  for (let i = 0; i < 30; i++) {
    const middle = (low + high) / 2;
    const ok = await fits(middle);
    if (budget !== undefined ? ok : !ok) low = middle;
    else high = middle;
  }
  return finish(budget !== undefined ? low : high);
}

/** Reduces by `span`: plans the widths for the budget, chooses channels, absorbs, refits in sequence. */
export async function reduceBySpan(plain: Prepared, options: CondenseOptions): Promise<Reduced> {
  const views = chooseViews(plain.analysis, plain.memory * PATCH_SHARE);
  const { blas } = plain;
  const explicitBudget = parameterBudget(plain.input, options.keepParams);
  if (views.spaces.length === 0) return untouched(plain, explicitBudget);
  const cost = new ParameterCost(plain.original, views);
  const fixed = fixedWidths(views, options.keep);
  // Said before the work, not after it.
  const least = cost.parameters(views.spaces.map((space, i) => fixed.get(i) ?? space.least));
  if (explicitBudget !== undefined && least > explicitBudget)
    raise(budgetTooSmall(explicitBudget, least, parameterCount(plain.input)));
  const pooled = beforePooling(plain.original, views, plain.shapes);
  const collected = await collectModelMoments(
    { ...plain, analysis: views },
    batchesOf(plain.data, ALL, asValidation),
    options,
    [
      ...new Map(
        [views, withConsumers(views, pooled)].flatMap(condensingSites).map((site) => [site.key, site]),
      ).values(),
    ],
  );
  const analysis = withConsumers(views, await betterBeforePooling(plain.original, views, pooled, collected, blas));
  const prepared: Prepared = { ...plain, analysis };
  const bases = await StreamBasis.find(
    prepared.original,
    analysis,
    collected,
    blas,
    (space) => options.streams !== 'select' && fixed.get(space.id) !== space.channels.length,
  );
  const { model: original, moments } = await bases.with(() => true);
  const ridges = new Map<string, number>();
  for (const site of condensingSites(analysis))
    ridges.set(site.key, await absorptionRidge(original, site, moments.fit(site), moments.validation(site), blas));
  const ridge = (site: Site): number => ridges.get(site.key)!;
  const ordered: OrderedSpace[] = [];
  for (const space of analysis.spaces) {
    options.onProgress?.({
      stage: 'select',
      message: space.producers.map(label).join(', '),
      done: space.id,
      total: analysis.spaces.length,
    });
    ordered.push(await orderSpace(original, space, moments.all, options.select ?? 'eliminate', blas, ridge));
  }
  const curves = (await measureCurves({ ...prepared, original }, ordered, moments, ridge, options)).map((curve, i) =>
    pinned(curve, fixed.get(i)),
  );
  const steps = stepsOf(analysis, curves, options.roundTo ?? DEFAULT_STEP);
  const builder = new SpanBuilder(prepared, options, bases, ridge, ordered);
  if (explicitBudget !== undefined || (options.keep !== undefined && options.maxError === undefined)) {
    const widths = planOrRaise(curves, steps, cost, explicitBudget ?? Infinity, prepared.input);
    return {
      ...(await builder.build(widths, ALL)),
      plan: { predictedNrmse: Math.sqrt(predictedError(curves, widths)) },
    };
  }
  return meetError(prepared, options.maxError ?? DEFAULT_MAX_ERROR, curves, steps, cost, builder);
}

/** Of the consumers that read pooled positions, those that single positions fit better, as far as validation rows can tell. */
async function betterBeforePooling(
  model: Model,
  analysis: ChannelAnalysis,
  pooled: ReadonlyMap<Consumer, Consumer>,
  moments: ModelMoments,
  blas: Blas,
): Promise<Map<Consumer, Consumer>> {
  const better = new Map<Consumer, Consumer>();
  for (const site of condensingSites(analysis)) {
    const validation = moments.validation(site);
    if (validation === undefined || !site.consumers.every((c) => pooled.has(c))) continue;
    if (plenty(moments.fit(site), site.features.length)) continue;
    const [before] = sitesOf(site.consumers.map((c) => pooled.get(c)!));
    const [after, spread] = [
      await validatedRidge(model, site, moments.fit(site), validation, blas),
      await validatedRidge(model, site, moments.fit(before!), validation, blas),
    ];
    if (spread.loss < after.loss) for (const c of site.consumers) better.set(c, pooled.get(c)!);
  }
  return better;
}

/** The closed loop of `--max-error`: walks the planned curve until the smallest model within the limit on validation rows is found. */
async function meetError(
  prepared: Prepared,
  maxError: number,
  curves: readonly WidthCurve[],
  steps: readonly number[],
  cost: ParameterCost,
  builder: SpanBuilder,
): Promise<Reduced> {
  const { original } = prepared;
  const validation = await validationRows(prepared);
  const full = parameterCount(original);
  const smallest = cost.parameters(curves.map((c) => c.minimum));
  const planFor = (ratio: number): Int32Array =>
    planOrRaise(curves, steps, cost, Math.max(smallest, Math.round(ratio * full)), original);
  // The prediction gives the first guess; then the ratio is bracketed and halved on a logarithmic scale.
  let [low, high] = [smallest / full, 1];
  let guess = low;
  for (let [a, b] = [low, 1], i = 0; i < 20; i++) {
    const middle = Math.sqrt(a * b);
    if (Math.sqrt(predictedError(curves, planFor(middle))) > maxError * MARGIN) a = middle;
    else b = guess = middle;
  }
  let best: { widths: Int32Array; error: number } | undefined;
  for (let i = 0; i < LOOPS && low < high * 0.98; i++) {
    const ratio = i === 0 ? guess : Math.sqrt(low * high);
    const widths = planFor(ratio);
    const { model } = await builder.build(widths, TRAINING);
    const error = await validation.nrmse(model);
    if (error <= maxError * MARGIN) {
      best = { widths, error };
      high = Math.min(high, ratio);
      if (i === 0) low = Math.max(low, ratio / 1.6);
    } else {
      low = Math.max(low, ratio);
      if (i === 0) high = Math.min(high, ratio * 1.6);
    }
  }
  if (best === undefined) {
    const widths = planFor(high);
    best = { widths, error: NaN };
  }
  const reduced = await builder.build(best.widths, ALL);
  const predictedNrmse = Math.sqrt(predictedError(curves, best.widths));
  return { ...reduced, plan: { predictedNrmse, ...(Number.isNaN(best.error) ? {} : { validationNrmse: best.error }) } };
}

/** Makes reduced models from widths; what was chosen once for a width is not chosen again. */
class SpanBuilder {
  private readonly chosen = new Map<string, Int32Array>();

  constructor(
    private readonly prepared: Prepared,
    private readonly options: CondenseOptions,
    private readonly bases: StreamBasis,
    private readonly ridge: (site: Site) => number,
    private readonly ordered: readonly OrderedSpace[],
  ) {}

  /** @param folds rows that the refit may see */
  async build(widths: Int32Array, folds: readonly number[]): Promise<Reduced> {
    const { prepared, options } = this;
    const { analysis, blas, data } = prepared;
    const basis = await this.bases.with(({ id, channels }) => widths[id]! < channels.length);
    const { model: original, moments: known } = basis;
    const kept = new Map<number, Int32Array>();
    for (const space of this.ordered) {
      const width = widths[space.space.id]!;
      const key = `${space.space.id}:${width}`;
      const channels = this.chosen.get(key) ?? (await chooseChannels(space, width, blas));
      this.chosen.set(key, channels);
      kept.set(space.space.id, channels);
    }
    const keep = keepMask(analysis, kept);
    const cutWith = async (moments: (site: Site) => Moments): ReturnType<typeof applyCut> =>
      applyCut(original, await spanReduction(original, analysis, keep, moments, blas, this.ridge));
    const honest = await cutWith(known.fit);
    const fitted = folds.includes(VALIDATION);
    const cut = fitted ? await cutWith(known.all) : honest;
    if (!cut.changed) return untouched(prepared, parameterBudget(prepared.input, options.keepParams));
    const warnings: DataNote[] = [];
    const refit = await refitInSequence.run(cut.model, {
      original,
      analysis,
      keep,
      batches: batchesOf(data, ALL, (fold) => fold),
      folds: FOLDS,
      held: data.folds[VALIDATION]!.length === 0 ? undefined : { fold: VALIDATION, cut: honest.model, fitted },
      stack: data.stack,
      session: prepared.session,
      blas,
      memory: prepared.memory,
      shapes: prepared.shapes,
      probed: prepared.probed,
      positions: options.positions,
      onConsumer: (consumer, done, total) =>
        options.onProgress?.({ stage: 'refit', message: label(consumer.node), done, total }),
      onFit: (consumer: Consumer, fit) => {
        const ratio = Math.sqrt(fit.validation / fit.fitted);
        if (ratio > 2 && fit.validation > NEGLIGIBLE) warnings.push(overfitted(label(consumer.node), ratio));
      },
    });
    const passes = [
      ...(basis.note === undefined ? [] : [basis.note]),
      ...cut.passes,
      { name: refitInSequence.name, changed: refit.changed, notes: refit.notes },
    ];
    return { model: refit.model, passes, warnings };
  }
}

/** Cuts, and deletes what the cut left without a reader. */
async function applyCut(
  model: Model,
  reduction: Reduction,
): Promise<{ model: Model; changed: boolean; passes: PassNote[] }> {
  const cut = await cutChannels.run(model, reduction);
  const notes: PassNote = { name: cutChannels.name, changed: cut.changed, notes: cut.notes };
  if (cut.changed) deleteNewlyDead(cut.model.graph, model.graph);
  return { model: cut.model, changed: cut.changed, passes: [notes] };
}

async function measureCurves(
  prepared: Prepared,
  ordered: readonly OrderedSpace[],
  moments: ModelMoments,
  ridge: (site: Site) => number,
  options: CondenseOptions,
): Promise<WidthCurve[]> {
  const { original, analysis, blas, session } = prepared;
  const feeds = trialFeeds(prepared);
  const tunable = await TunableModel.open(original, analysis, session);
  try {
    const reference = await tunable.run(feeds, []);
    const curves: WidthCurve[] = [];
    for (const space of ordered) {
      options.onProgress?.({
        stage: 'plan',
        message: space.space.producers.map(label).join(', '),
        done: curves.length,
        total: ordered.length,
      });
      curves.push(
        await widthCurve(space, {
          model: original,
          analysis,
          tunable,
          feeds,
          reference,
          moments: moments.fit,
          ridge,
          blas,
        }),
      );
    }
    return curves;
  } finally {
    await tunable.release();
  }
}

/** Validation rows that plans are tried on: as many as the work of all trials allows. */
function trialFeeds({ data, analysis, macs }: Prepared): Feeds[] {
  const affordable = Math.ceil(TRIAL_WORK / (Math.max(macs, 1) * Math.max(analysis.spaces.length, 1)));
  const most = Math.max(
    LEAST_TRIAL_ROWS,
    Math.min(TRIAL_ROWS, affordable, data.stack > 1 ? TRIAL_RUNS * data.batch : Infinity),
  );
  const rows = data.folds[VALIDATION]!.subarray(0, most);
  const part = { ...data, folds: data.folds.map((fold, i) => (i === VALIDATION ? rows : fold)) };
  return batchesOf(part, [VALIDATION], () => 0).map((batch) => batch.feeds);
}

/** Validation rows and what the original computes on them. */
async function validationRows(prepared: Prepared): Promise<{ nrmse(model: Model): Promise<number> }> {
  const feeds = trialFeeds(prepared);
  const run = (model: Model): Promise<Outputs> =>
    withSession(model, prepared.session, async (session) => {
      const outputs: Outputs[number][] = [];
      for (const batch of feeds) outputs.push(await session.run(batch));
      return outputs;
    });
  const reference = await run(prepared.original);
  // The root of the mean square bounds the mean of the roots, which is NRMSE.
  return { nrmse: async (model) => Math.sqrt(standardisedSquaredError(reference, await run(model))) };
}

function parameterBudget(model: Model, keepParams: number | undefined): number | undefined {
  if (keepParams === undefined) return undefined;
  return keepParams <= 1 ? Math.floor(keepParams * parameterCount(model)) : Math.floor(keepParams);
}

/** Where no channel goes the model stays as it came, unless the budget wants the parameters that folding saves; it may still be too large. */
function untouched({ input, original }: Prepared, budget: number | undefined): Reduced {
  const parameters = parameterCount(original);
  if (budget !== undefined && budget < parameters) raise(budgetTooSmall(budget, parameters, parameterCount(input)));
  const model = budget !== undefined && budget < parameterCount(input) ? original : input;
  return { model, passes: [], warnings: [] };
}

function planOrRaise(
  curves: readonly WidthCurve[],
  steps: readonly number[],
  cost: ParameterCost,
  budget: number,
  model: Model,
): Int32Array {
  const parameters = (w: ArrayLike<number>): number => cost.parameters(w);
  const widths = planRoundedWidths(curves, steps, parameters, budget) ?? planWidths(curves, parameters, budget);
  if (widths !== undefined) return widths;
  return raise(budgetTooSmall(budget, parameters(curves.map((c) => c.minimum)), parameterCount(model)));
}

/** The step of each space's widths: that of `--round-to` for convolutions whose width is a multiple of it, else 1. */
function stepsOf({ spaces }: ChannelAnalysis, curves: readonly WidthCurve[], roundTo: number): number[] {
  return spaces.map(({ producers, channels }, i) => {
    const convolution = producers.some((node) => node.opType === 'Conv' || node.opType === 'ConvTranspose');
    const free = curves[i]!.minimum < curves[i]!.size;
    return convolution && free && channels.length % roundTo === 0 ? roundTo : 1;
  });
}

/** A curve that allows one width only. */
function pinned(curve: WidthCurve, width: number | undefined): WidthCurve {
  return width === undefined ? curve : { ...curve, size: width, minimum: width };
}
