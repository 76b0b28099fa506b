import { analyseChannels } from '../channels/analysis.js';
import { FIXED, type ChannelAnalysis, type ChannelId } from '../channels/types.js';
import type { Model } from '../graph/ir.js';
import type { LayerDetail } from '../report/details.js';
import { probeShapes } from '../runtime/shapes.js';
import type { Reduction } from '../../passes/cut-channels.js';
import { exactReduction } from './exact.js';
import { FoldedChannels, type Heirs } from './folded-channels.js';
import { layerDetails } from './layer-details.js';
import { collectModelMoments } from './model-moments.js';
import { nameFilter } from './names.js';
import type { CondenseOptions } from './options.js';
import { ALL_FOLDS, batchesOf, type Prepared } from './prepare.js';
import { applyCut, type PassNote, type Reduced } from './reduced.js';

/** One cut of `exact`. */
interface Round {
  /** What was found in the model as the rounds before left it. */
  readonly reduction: Reduction;
  /** That model after the cut. */
  readonly model: Model;
  readonly passes: readonly PassNote[];
  /** Where details were asked for. */
  readonly folded: ReadonlyMap<ChannelId, Heirs> | undefined;
}

/** Reduces by `exact`: rounds over the whole graph until nothing more is found, since merged inputs make new duplicates behind them. */
export async function reduceExactly(prepared: Prepared, options: CondenseOptions): Promise<Reduced> {
  const passes: PassNote[] = [];
  let model = prepared.original;
  const keep = new Uint8Array(prepared.analysis.channelCount).fill(1);
  const folded = new Map<ChannelId, Heirs>();
  for await (const { round, removed } of tracedRounds(prepared, options)) {
    passes.push(...round.passes);
    model = round.model;
    for (const { channel, heirs } of removed) {
      keep[channel] = 0;
      folded.set(channel, heirs);
    }
  }
  const changed = passes.some((p) => p.changed);
  const reduced: Reduced = { model: changed ? model : prepared.input, passes, warnings: [] };
  return options.details === true ? { ...reduced, layers: await detailsOf() } : reduced;

  async function detailsOf(): Promise<LayerDetail[]> {
    const { spaces } = prepared.analysis;
    const batches = batchesOf(prepared.data, ALL_FOLDS, () => 0);
    const { all } = await collectModelMoments(prepared, batches, options);
    return layerDetails(spaces, all, { fates: { keep, folded, turned: new Set() } });
  }
}

/** How many channels `exact` removes from each space of the model as it was prepared. */
export async function countExact(prepared: Prepared, options: CondenseOptions): Promise<Int32Array> {
  const { spaces, spaceOf } = prepared.analysis;
  const counts = new Int32Array(spaces.length);
  for await (const { removed } of tracedRounds(prepared, options)) {
    for (const { channel } of removed) {
      const space = spaceOf[channel] ?? -1;
      if (space >= 0) counts[space] = counts[space]! + 1;
    }
  }
  return counts;
}

/** A round, and what it removes in the channels of the model as it was prepared. */
interface TracedRound {
  readonly round: Round;
  readonly removed: readonly { readonly channel: ChannelId; readonly heirs: Heirs }[];
}

async function* tracedRounds(prepared: Prepared, options: CondenseOptions): AsyncGenerator<TracedRound> {
  // The channels of a round by those of the model as it was prepared: each analysis numbers them anew.
  let origin: Int32Array = Int32Array.from({ length: prepared.analysis.channelCount }, (_, c) => c);
  let before: Reduction | undefined;
  for await (const round of rounds(prepared, options)) {
    const { analysis, keep } = round.reduction;
    if (before !== undefined) origin = originAfter(before, analysis, origin);
    const removed: { channel: ChannelId; heirs: Heirs }[] = [];
    keep.forEach((stays, c) => {
      const channel = stays === 1 ? FIXED : (origin[c] ?? FIXED);
      if (channel === FIXED) return;
      const heirs = (round.folded?.get(c) ?? []).map((heir) => ({ ...heir, channel: origin[heir.channel] ?? FIXED }));
      removed.push({ channel, heirs });
    });
    yield { round, removed };
    before = round.reduction;
  }
}

/** What `origin` says of the channels before a cut, for the numbers that the analysis after it gives: axes lose indices, and keep their order. */
function originAfter({ analysis: before, keep }: Reduction, after: ChannelAnalysis, origin: Int32Array): Int32Array {
  const channels = new Map(before.targets.map(({ node, channels }) => [node.outputs[0], channels]));
  const result = new Int32Array(after.channelCount).fill(FIXED);
  for (const { node, channels: now } of after.targets) {
    const left = channels.get(node.outputs[0])?.filter((c) => c === FIXED || keep[c] === 1);
    now?.forEach((c, i) => {
      const was = left?.[i] ?? FIXED;
      if (c !== FIXED && was !== FIXED) result[c] = origin[was]!;
    });
  }
  return result;
}

async function* rounds(prepared: Prepared, options: CondenseOptions): AsyncGenerator<Round> {
  const evidence = options.evidence ?? 'weights';
  let model = prepared.original;
  let analysis = prepared.analysis;
  const batches = batchesOf(prepared.data, ALL_FOLDS, () => 0);
  for (let round = 0; round <= prepared.original.graph.nodes.length; round++) {
    if (analysis.spaces.length === 0) break;
    const current: Prepared = { ...prepared, original: model, analysis };
    // Values of constant channels can be read off any row; the sample's own redundancy needs all of them.
    const few = evidence === 'data' ? batches : batches.slice(0, prepared.data.stack > 1 ? 4 : 1);
    const moments = await collectModelMoments(current, few, options);
    const folded = options.details === true ? new FoldedChannels(moments.all) : undefined;
    const reduction = await exactReduction(model, analysis, moments.all, evidence, prepared.blas, folded?.observe);
    const cut = await applyCut(model, reduction);
    model = cut.model;
    yield { reduction, model, passes: cut.passes, folded: folded?.into };
    if (!cut.changed) break;
    const shapes = await probeShapes(model, batches[0]!.feeds, prepared.session);
    analysis = analyseChannels(model, shapes, nameFilter(options.include, options.exclude));
  }
}
