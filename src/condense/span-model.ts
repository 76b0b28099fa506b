import type { Moments } from '../calibration/moments.js';
import { FOLDS } from '../calibration/split.js';
import { keepMask } from '../channels/keep.js';
import { beforePooling } from '../channels/pooled-inputs.js';
import { condensingSites, sitesOf, withConsumers, type Site } from '../channels/sites.js';
import { label } from '../channels/tracker.js';
import type { ChannelAnalysis, ChannelSpace, Consumer } from '../channels/types.js';
import { overfitted, type DataNote } from '../diagnostics/calibration.js';
import type { Model } from '../graph/ir.js';
import { widthCurve } from '../plan/curves.js';
import type { WidthCurve } from '../plan/search.js';
import { TunableModel } from '../plan/tunable-model.js';
import type { Blas } from '../runtime/blas.js';
import { absorptionRidge, plenty, validatedRidge } from '../select/absorption-ridge.js';
import { chooseChannels, orderSpace, type OrderedSpace } from '../select/ordered-space.js';
import { refitInSequence } from '../../passes/refit.js';
import { FoldedChannels, type ChannelFates } from './folded-channels.js';
import { collectModelMoments, type ModelMoments } from './model-moments.js';
import type { CondenseOptions } from './options.js';
import { ALL_FOLDS, batchesOf, type Prepared } from './prepare.js';
import { applyCut, type PassNote, type Reduced } from './reduced.js';
import { spanReduction } from './span.js';
import { StreamBasis } from './stream-basis.js';
import { trialBatches, VALIDATION } from './trial-rows.js';

/**
 * Ridge of absorption where the model learns afterwards. Barely regularised weights of hundreds that cancel each other cost no error as long as
 * nothing moves, and every step of a training moves them.
 */
const RIDGE_BEFORE_TRAINING = 1e-3;
/** Mean squared standardised error of a fit below which it does not matter how it compares with the fitted rows': a thousandth, squared. */
const NEGLIGIBLE = 1e-6;

/**
 * What `span` knows of a model once its statistics are there: the channels of every space in the order of their use. Models of any widths are
 * made from it without looking at the data again, apart from the refit.
 */
export class SpanModel {
  private readonly chosen = new Map<string, Int32Array>();

  private constructor(
    /** With the consumers as they are fitted. */
    readonly prepared: Prepared,
    private readonly options: CondenseOptions,
    private readonly bases: StreamBasis,
    private readonly ridge: (site: Site) => number,
    private readonly ordered: readonly OrderedSpace[],
    /** Of the sites of the model as it came, in no other basis. */
    readonly moments: ModelMoments,
  ) {}

  /**
   * Collects the statistics in one pass over the data.
   * @param plain with the consumers in the views in which they are to be read
   * @param fixed widths that are set, by space
   * @param also sites whose moments the caller wants beside those that are read here
   */
  static async open(
    plain: Prepared,
    options: CondenseOptions,
    fixed: ReadonlyMap<number, number>,
    also: readonly Site[] = [],
  ): Promise<SpanModel> {
    const { blas, analysis: views } = plain;
    const pooled = beforePooling(plain.original, views, plain.shapes);
    const sites = [...also, ...[views, withConsumers(views, pooled)].flatMap(condensingSites)];
    const collected = await collectModelMoments(
      plain,
      batchesOf(plain.data, ALL_FOLDS, (fold) => (fold === VALIDATION ? 1 : 0)),
      options,
      [...new Map(sites.map((site) => [site.key, site])).values()],
    );
    const analysis = withConsumers(views, await betterBeforePooling(plain.original, views, pooled, collected, blas));
    const bases = await StreamBasis.find(
      plain.original,
      analysis,
      collected,
      blas,
      (space) => options.streams !== 'select' && fixed.get(space.id) !== space.channels.length,
    );
    const { model, moments } = await bases.with(() => true);
    const ridges = new Map<string, number>();
    for (const site of condensingSites(analysis))
      ridges.set(site.key, await absorptionRidge(model, site, moments.fit(site), moments.validation(site), blas));
    const ridge = (site: Site): number => ridges.get(site.key)!;
    const ordered: OrderedSpace[] = [];
    for (const space of analysis.spaces) {
      options.onProgress?.({
        stage: 'select',
        message: space.producers.map(label).join(', '),
        done: space.id,
        total: analysis.spaces.length,
      });
      ordered.push(await orderSpace(model, space, moments.all, options.select ?? 'eliminate', blas, ridge));
    }
    return new SpanModel({ ...plain, analysis }, options, bases, ridge, ordered, collected);
  }

  /** The predicted error of the outputs by the width of each space, from trials on validation rows. */
  async curves(): Promise<WidthCurve[]> {
    const { prepared, options, ordered, ridge } = this;
    const { analysis, blas, session } = prepared;
    const { model, moments } = await this.bases.with(() => true);
    const feeds = trialBatches(prepared).map((batch) => batch.feeds);
    const plain = await TunableModel.open(model, [], session);
    const reference = await plain.run(feeds, []).finally(() => plain.release());
    const context = { model, analysis, session, feeds, reference, moments: moments.fit, ridge, blas };
    const curves: WidthCurve[] = [];
    for (const space of ordered) {
      options.onProgress?.({
        stage: 'plan',
        message: space.space.producers.map(label).join(', '),
        done: curves.length,
        total: ordered.length,
      });
      curves.push(await widthCurve(space, context));
    }
    return curves;
  }

  /**
   * The model with these widths: channels chosen, absorbed, refitted; undefined where no channel goes.
   * @param folds rows that the refit may see
   * @param ridge of the absorption, where it is not the one that channels are chosen with
   */
  async build(
    widths: ArrayLike<number>,
    folds: readonly number[],
    ridge: (site: Site) => number = this.ridge,
  ): Promise<Reduced | undefined> {
    const { prepared, options } = this;
    const { analysis, blas, data } = prepared;
    const {
      model: original,
      moments,
      note,
    } = await this.bases.with(({ id, channels }) => widths[id]! < channels.length);
    const keep = keepMask(analysis, await this.choose(widths));
    const cutWith = async (known: (site: Site) => Moments): ReturnType<typeof applyCut> =>
      applyCut(original, await spanReduction(original, analysis, keep, known, blas, ridge));
    const honest = await cutWith(moments.fit);
    if (!honest.changed) return undefined;
    const fitted = folds.includes(VALIDATION);
    const cut = fitted ? await cutWith(moments.all) : honest;
    const warnings: DataNote[] = [];
    const refit = await refitInSequence.run(cut.model, {
      original,
      analysis,
      keep,
      batches: batchesOf(data, ALL_FOLDS, (fold) => fold),
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
      onFit: (consumer, fit) => {
        const ratio = Math.sqrt(fit.validation / fit.fitted);
        if (ratio > 2 && fit.validation > NEGLIGIBLE) warnings.push(overfitted(label(consumer.node), ratio));
      },
    });
    const passes: PassNote[] = [
      ...(note === undefined ? [] : [note]),
      ...cut.passes,
      { name: refitInSequence.name, changed: refit.changed, notes: refit.notes },
    ];
    return { model: refit.model, passes, warnings };
  }

  /**
   * The same from all rows; where learning follows, one that is prepared for it, and beside it, where it is the last, this one.
   * @param lasting whether what comes of the learning is to be kept
   */
  async finished(widths: ArrayLike<number>, lasting: boolean): Promise<Reduced | undefined> {
    if (this.options.distill === undefined) return this.build(widths, ALL_FOLDS);
    const prepared = await this.build(widths, ALL_FOLDS, (site) => Math.max(RIDGE_BEFORE_TRAINING, this.ridge(site)));
    const plain = lasting ? await this.build(widths, ALL_FOLDS) : undefined;
    return prepared === undefined || plain === undefined ? prepared : { ...prepared, withoutLearning: plain.model };
  }

  /** What becomes of every channel at these widths. */
  async fates(widths: ArrayLike<number>): Promise<ChannelFates> {
    const { analysis, blas } = this.prepared;
    const turn = ({ id, channels }: ChannelSpace): boolean => widths[id]! < channels.length;
    const { model, moments } = await this.bases.with(turn);
    const keep = keepMask(analysis, await this.choose(widths));
    const folded = new FoldedChannels(moments.all);
    await spanReduction(model, analysis, keep, moments.all, blas, this.ridge, folded.observe);
    return { keep, folded: folded.into, turned: this.bases.turned(turn) };
  }

  /** The channels that stay, by space; what was chosen once for a width is not chosen again. */
  private async choose(widths: ArrayLike<number>): Promise<Map<number, Int32Array>> {
    const kept = new Map<number, Int32Array>();
    for (const space of this.ordered) {
      const { id } = space.space;
      const key = `${id}:${widths[id]!}`;
      const channels = this.chosen.get(key) ?? (await chooseChannels(space, widths[id]!, this.prepared.blas));
      this.chosen.set(key, channels);
      kept.set(id, channels);
    }
    return kept;
  }
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
    const after = await validatedRidge(model, site, moments.fit(site), validation, blas);
    const spread = await validatedRidge(model, site, moments.fit(before!), validation, blas);
    if (spread.loss < after.loss) for (const c of site.consumers) better.set(c, pooled.get(c)!);
  }
  return better;
}
