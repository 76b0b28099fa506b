/**
 * Removes channels: producers and carriers keep the entries of the kept channels, consumers get the weights that have absorbed the others.
 *
 *     x ≈ T x_K + t   ⇒   W x + b ≈ (W T) x_K + (b + W t)
 *
 * No node is added or removed (design: docs/architecture.md).
 */
import { keptIndices } from '../src/channels/keep.js';
import type { ChannelAnalysis, Consumer } from '../src/channels/types.js';
import { addToBias, held, writeWeight } from '../src/channels/weights.js';
import { cloneModel, replaceConstant, withShape } from '../src/graph/edit.js';
import { gatherAxis } from '../src/graph/gather.js';
import type { Model } from '../src/graph/ir.js';
import { elementCount } from '../src/graph/tensor.js';
import { int64Tensor, toIntegers } from '../src/graph/tensor-data.js';
import { UseIndex } from '../src/graph/uses.js';
import type { Matrix } from '../src/linalg/matrix.js';
import type { Pass } from './pass.js';

/** Which channels stay, and what the consumers' weights become. */
export interface Reduction {
  readonly analysis: ChannelAnalysis;
  /** 1 for channels that stay, by channel number. */
  readonly keep: Uint8Array;
  /**
   * New weights by consumer: W T (all outputs × kept features) and W t. A consumer that reads a removed channel and is not listed loses the
   * columns without compensation.
   */
  readonly absorbed: ReadonlyMap<Consumer, { readonly weight: Matrix; readonly biasDelta: Float64Array | undefined }>;
}

export const cutChannels: Pass<Reduction> = {
  name: 'cut-channels',
  description:
    'remove channels from producers and carriers, and write the weights that absorbed them into the consumers',
  requires: 'topological order; an analysis of this very model',
  ensures: 'the interface of the model is unchanged; static shapes that named a cut axis are correct',
  run(model, { analysis, keep, absorbed }) {
    if (analysis.spaces.every((space) => space.channels.every((c) => keep[c] === 1)))
      return { model, changed: false, notes: [] };
    const reduced = cloneModel(model);
    const rewritten = new Set<string>();
    for (const [consumer, { weight, biasDelta }] of absorbed) {
      writeWeight(reduced, consumer, weight);
      if (biasDelta !== undefined) addToBias(reduced, consumer, biasDelta);
      rewritten.add(consumer.weight);
    }
    for (const cut of analysis.cuts) {
      if (cut.role === 'consume' && rewritten.has(cut.holder)) continue;
      replaceConstant(
        reduced.graph,
        cut.holder,
        gatherAxis(held(reduced.graph, cut.holder), cut.axis, keptIndices(cut.channels, keep)),
      );
    }
    cutNewBiases(reduced, analysis, keep);
    correctShapes(reduced, analysis, keep);
    const removed = analysis.spaces.reduce((sum, s) => sum + s.channels.filter((c) => keep[c] !== 1).length, 0);
    return { model: reduced, changed: true, notes: [`removed ${removed} channels`] };
  },
};

/**
 * Biases that the absorption gave to Gemms without one, or that grew from a scalar, are no cut of the analysis: they follow their node's
 * outputs.
 */
function cutNewBiases(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): void {
  const cutAlready = new Set(analysis.cuts.map((cut) => cut.holder));
  for (const { bias, output } of analysis.consumers) {
    if (bias.kind === 'none') continue;
    const holder = bias.kind === 'extend' ? bias.name : bias.holder;
    const map = analysis.values.get(output);
    if (
      map === undefined ||
      cutAlready.has(holder) ||
      (bias.kind === 'extend' && !model.graph.initializers.has(holder))
    )
      continue;
    const tensor = held(model.graph, holder);
    if (elementCount(tensor.dims) === 1) continue;
    replaceConstant(model.graph, holder, gatherAxis(tensor, tensor.dims.length - 1, keptIndices(map.channels, keep)));
  }
}

function correctShapes(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): void {
  for (const { holder, entry, channels } of analysis.shapeEntries) {
    const old = held(model.graph, holder);
    const shape = toIntegers(old);
    shape[entry] = keptIndices(channels, keep).length;
    replaceConstant(model.graph, holder, int64Tensor(old.name, old.dims, shape));
  }
  const index = new UseIndex(model.graph);
  model.graph.valueInfo = model.graph.valueInfo.map((info) => {
    const constant = index.constant(info.name);
    if (constant !== undefined && info.shape?.length === constant.dims.length) {
      return withShape(
        info,
        info.shape.map((d, i) => (typeof d === 'number' ? constant.dims[i]! : d)),
      );
    }
    const map = analysis.values.get(info.name);
    if (map === undefined || info.shape === undefined || info.shape.length <= map.axis) return info;
    const length = keptIndices(map.channels, keep).length;
    return withShape(
      info,
      info.shape.map((d, i) => (i === map.axis && typeof d === 'number' ? length : d)),
    );
  });
}
