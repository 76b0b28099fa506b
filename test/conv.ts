import { streamMoments } from '../src/calibration/stream.js';
import type { Moments } from '../src/calibration/moments.js';
import { keptIndices } from '../src/channels/keep.js';
import { condensingSites, type Site } from '../src/channels/sites.js';
import { FIXED, type ChannelAnalysis } from '../src/channels/types.js';
import { readWeight, writeWeight } from '../src/channels/weights.js';
import { cloneModel } from '../src/graph/edit.js';
import type { Dimension, Model, Node } from '../src/graph/ir.js';
import type { Feeds } from '../src/graph/feeds.js';
import type { Tensor } from '../src/graph/tensor.js';
import { randomNumbers } from '../src/calibration/random.js';
import { buildModel, node, type AttributeValue } from './build-model.js';
import { constant, CPU, integers, streamGraph, weights } from './dense.js';

type Attributes = Record<string, AttributeValue>;

/** Kernel and attributes of a convolution under construction. */
interface ConvOptions {
  readonly kernel?: readonly number[];
  readonly attributes?: Attributes;
  readonly bias?: boolean;
}

/**
 * A convolutional network under construction. Convolutions are named c1, c2, ... and matrix products m1, m2, ... in the order in which they are
 * made; other nodes after their operator.
 */
export class Net {
  readonly nodes: Node[] = [];
  readonly constants: Tensor[] = [];
  private readonly counts = new Map<string, number>();

  /** Conv from `inputs` to `outputs` channels, 3 × 3 and padded by 1 unless said otherwise. */
  conv(x: string, [inputs, outputs]: readonly [number, number], options: ConvOptions = {}): string {
    return this.convolution('Conv', x, [outputs, inputs], outputs, options);
  }

  /** ConvTranspose, 2 × 2 with stride 2 unless said otherwise. */
  transposed(x: string, [inputs, outputs]: readonly [number, number], options: ConvOptions = {}): string {
    const { kernel = [2, 2], attributes = { strides: [2, 2] } } = options;
    return this.convolution('ConvTranspose', x, [inputs, outputs], outputs, { ...options, kernel, attributes });
  }

  /** Depthwise Conv. */
  depthwise(x: string, channels: number, multiplier = 1, options: ConvOptions = {}): string {
    const outputs = channels * multiplier;
    const { kernel = [3, 3] } = options;
    const attributes = { pads: kernel.flatMap(() => [1, 1]), ...options.attributes, group: channels };
    return this.convolution('Conv', x, [outputs, 1], outputs, { ...options, kernel, attributes });
  }

  /** Gemm with a bias. */
  gemm(x: string, [inputs, outputs]: readonly [number, number]): string {
    const y = this.fresh('m');
    this.nodes.push(node('Gemm', [x, this.made([inputs, outputs]), this.made([outputs])], [y]));
    return y;
  }

  /** MatMul and an Add of a bias, as linear layers on sequences are written. */
  linear(x: string, [inputs, outputs]: readonly [number, number]): string {
    const y = this.fresh('m');
    this.nodes.push(node('MatMul', [x, this.made([inputs, outputs])], [y]));
    return this.op('Add', [this.made([outputs]), y]);
  }

  /** MatMul of two activations. */
  product(a: string, b: string): string {
    const y = this.fresh('m');
    this.nodes.push(node('MatMul', [a, b], [y]));
    return y;
  }

  /** Any other node with one output. */
  op(opType: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.ops(opType, inputs, 1, attributes)[0]!;
  }

  /** Any other node with several outputs. */
  ops(opType: string, inputs: readonly string[], outputs: number, attributes: Attributes = {}): string[] {
    const name = this.fresh(opType);
    const names = outputs === 1 ? [name] : Array.from({ length: outputs }, (_, i) => `${name}_${i}`);
    this.nodes.push(node(opType, [...inputs], names, attributes, { name }));
    return names;
  }

  /** An int64 vector. */
  ints(...values: number[]): string {
    return this.held(integers('', values));
  }

  /** A float vector. */
  floats(...values: number[]): string {
    return this.held(constant('', [values.length], values));
  }

  /** A random float tensor. */
  made(dims: readonly number[]): string {
    return this.held(weights('', dims, 100 + this.constants.length));
  }

  /** BatchNormalization. */
  normalised(x: string, channels: number): string {
    const variance = this.floats(...Array.from({ length: channels }, (_, i) => 0.5 + i / 4));
    return this.op('BatchNormalization', [
      x,
      this.made([channels]),
      this.made([channels]),
      this.made([channels]),
      variance,
    ]);
  }

  private convolution(
    opType: string,
    x: string,
    dims: readonly number[],
    outputs: number,
    { kernel = [3, 3], attributes = { pads: kernel.flatMap(() => [1, 1]) }, bias = true }: ConvOptions,
  ): string {
    const y = this.fresh('c');
    const inputs = [x, this.made([...dims, ...kernel]), ...(bias ? [this.made([outputs])] : [])];
    this.nodes.push(node(opType, inputs, [y], attributes));
    return y;
  }

  private held(tensor: Tensor): string {
    const name = `k${this.constants.length + 1}`;
    this.constants.push({ ...tensor, name });
    return name;
  }

  private fresh(kind: string): string {
    const count = (this.counts.get(kind) ?? 0) + 1;
    this.counts.set(kind, count);
    return `${kind}${count}`;
  }
}

/** x [rows, …shape] → what `build` makes; it returns the names of the outputs. */
export function convModel(
  shape: readonly Dimension[],
  build: (net: Net) => string | readonly string[],
  { opset, batch = 'rows' }: { readonly opset?: number; readonly batch?: Dimension } = {},
): Model {
  const net = new Net();
  const outputs = build(net);
  return buildModel({
    inputs: [{ name: 'x', shape: [batch, ...shape] }],
    nodes: net.nodes,
    initializers: net.constants,
    outputs: (typeof outputs === 'string' ? [outputs] : outputs).map((name) => ({ name })),
    ...(opset === undefined ? {} : { opset }),
  });
}

/** A random choice among the removable channels; the first of a space stays where one has to. */
export function randomKeep(analysis: ChannelAnalysis, seed: number, share = 0.5): Uint8Array {
  const next = randomNumbers(seed);
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  for (const { channels, least } of analysis.spaces) {
    for (const c of channels) keep[c] = next() < share ? 1 : 0;
    if (least > 0 && channels.every((c) => keep[c] === 0)) keep[channels[Math.floor(next() * channels.length)]!] = 1;
  }
  return keep;
}

/** The model with zeros in every weight that reads a channel which `keep` drops. */
export function unread(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): Model {
  const result = cloneModel(model);
  for (const consumer of analysis.consumers) {
    const W = readWeight(result, consumer, 'channels');
    const data = W.data.map((w, i) => {
      const channel = consumer.features[i % W.cols]!;
      return channel !== FIXED && keep[channel] === 0 ? 0 : w;
    });
    writeWeight(result, consumer, { ...W, data }, 'channels');
  }
  return result;
}

/** How many channels of the value are kept. */
export function lengthOf(analysis: ChannelAnalysis, value: string, keep: Uint8Array): number {
  return keptIndices(analysis.values.get(value)!.channels, keep).length;
}

/** Moments of every site over all positions, of patches where the site's features are patches. */
export async function siteMoments(
  model: Model,
  analysis: ChannelAnalysis,
  feeds: Feeds,
): Promise<(site: Site) => Moments> {
  const requests = condensingSites(analysis).map(({ key, input, featureAxis, rank, features, patch }) => ({
    key,
    x: { value: input, axis: featureAxis, rank, features: features.length, dtype: 'float32' as const },
    ...(patch === undefined ? {} : { sampling: { count: Infinity, map: patch.output, patch, patched: 'x' as const } }),
  }));
  const { moments } = await streamMoments(streamGraph(model), requests, [{ feeds, rows: [0], fold: 0 }], {
    ...CPU,
    folds: 1,
    stack: 1,
  });
  return (site) => moments.get(site.key)![0]!;
}
