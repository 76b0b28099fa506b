/**
 * Removes channels: producers and carriers keep the entries of the kept channels, consumers get the weights that have absorbed the others.
 *
 *     x ≈ T x_K + t   ⇒   W x + b ≈ (W T) x_K + (b + W t)
 *
 * No node is added or removed (design: docs/architecture.md).
 */
import { keptIndices } from '../src/channels/keep.js';
import type { ChannelAnalysis, Consumer, NumberPlace } from '../src/channels/types.js';
import { addToBias, held, writeWeight } from '../src/channels/weights.js';
import { addInitializer, allNames, cloneModel, replaceConstant, uniqueName, withShape } from '../src/graph/edit.js';
import { gatherAxis } from '../src/graph/gather.js';
import type { Model, Node } from '../src/graph/ir.js';
import { elementCount } from '../src/graph/tensor.js';
import { integerTensor, toIntegers } from '../src/graph/tensor-data.js';
import { constantAt, UseIndex } from '../src/graph/uses.js';
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

/** As a bound of a Slice: beyond the end of any axis. Fits into 32 bits. */
const END = 2 ** 31 - 1;

/** Rewrites the numbers that count channels and the indices that point at them, then the static shapes of values. */
function correctShapes(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): void {
  for (const { place, channels, fromEnd, counts = [] } of analysis.shapeEntries) {
    // A number that is computed stays so while nothing that it depends on changes.
    if ([channels, ...counts].every((map) => keptIndices(map, keep).length === map.length)) continue;
    const count = keptIndices(channels, keep).length;
    // Counted from the end, none left is the end itself: −0 would be the start.
    const number = fromEnd !== true ? count : count === 0 ? END : -count;
    const node = model.graph.nodes.find((n) => n.outputs[0] === place.output)!;
    if (place.kind === 'attribute') writeAttribute(node, place, number);
    else
      rewriteInput(
        model,
        node,
        place.input,
        (numbers) => numbers.map((n, i) => (i === place.entry ? number : n)),
        place.instead,
      );
  }
  for (const { output, input, channels } of analysis.indexEntries) {
    const node = model.graph.nodes.find((n) => n.outputs[0] === output)!;
    const kept = keptIndices(channels, keep);
    const renumbered = new Map([...kept].map((old, i) => [old, i]));
    rewriteInput(model, node, input, (indices) =>
      indices.flatMap((i) => renumbered.get(i < 0 ? i + channels.length : i) ?? []),
    );
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

function writeAttribute(
  node: Node,
  { attribute: name, entry, instead }: NumberPlace & { kind: 'attribute' },
  number: number,
): void {
  const old = node.attributes.get(name);
  const list = old?.type === 'ints' ? old.value : old === undefined ? instead : undefined;
  if (old?.type === 'int') node.attributes.set(name, { name, type: 'int', value: number });
  else if (list !== undefined)
    node.attributes.set(name, { name, type: 'ints', value: list.map((n, i) => (i === entry ? number : n)) });
  else throw new Error(`node '${node.name}' has no attribute '${name}' of whole numbers`);
}

/**
 * Rewrites a constant list of whole numbers for one reader; other readers keep the old list. Where the list is computed, or there is none, a
 * constant is read from now on.
 */
function rewriteInput(
  model: Model,
  node: Node,
  input: number,
  rewrite: (numbers: number[]) => number[],
  instead?: { readonly dtype: 'int64' | 'int32'; readonly values: readonly number[] },
): void {
  const index = new UseIndex(model.graph);
  const value = node.inputs[input] ?? '';
  const holder = value === '' ? undefined : constantAt(index, value);
  const [dtype, old] =
    holder === undefined ? [instead!.dtype, [...instead!.values]] : [holder.tensor.dtype, toIntegers(holder.tensor)];
  const numbers = rewrite(old);
  const dims = holder?.tensor.dims.length === 0 ? [] : [numbers.length];
  const own = holder?.name === value && index.uses(value).length === 1 && !index.isGraphOutput(value);
  const stem = holder?.name ?? (value === '' ? node.outputs[0]! : value);
  const name = own ? value : uniqueName(`${stem}_condensed`, allNames(model));
  const tensor = integerTensor(name, dims, dtype, numbers);
  if (own) replaceConstant(model.graph, name, tensor);
  else {
    addInitializer(model, tensor);
    while (node.inputs.length < input) node.inputs.push('');
    node.inputs[input] = name;
    // A Split knows either its sizes or how many equal parts it makes.
    if (node.opType === 'Split') node.attributes.delete('num_outputs');
  }
}
