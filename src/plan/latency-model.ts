/**
 * What a reduced model's run takes, as a function of the widths: the times of its layers, measured one by one at a grid of widths and
 * interpolated, and a rest (everything that is no matrix product or convolution) that goes with the elements that it writes:
 *
 *     t(w) = s Σ_layers t_l(in(w), out(w)) + r · elements(w) / elements(full),   s = min(1, T / Σ t_l),   r = T − s Σ t_l at full width
 *
 * with T the time of the whole model at full width, measured. Single layers cannot see what happens between them (fused activations, changes
 * of layout), so the figure ranks plans; what a plan is worth is measured on the model that it gives.
 */
import type { ChannelAnalysis } from '../channels/types.js';
import type { Model } from '../graph/ir.js';
import { macsByNode } from '../graph/macs.js';
import { elementCount } from '../graph/tensor.js';
import { kernelTimes, type TimedNode } from '../runtime/kernel-times.js';
import { AxisTerms, lengthOf, type AxisTerm } from './axis-terms.js';
import type { LatencyCache } from './latency-cache.js';
import { timedLayers, type TimedLayer } from './timed-layers.js';

/** Shares of an axis's full length at which layers are timed. */
const SHARES = [1, 0.75, 0.5, 0.3, 0.15, 0.06];
/** Blocked convolution kernels compute this many output channels at a time, or half as many: which one is found by measuring. */
const BLOCK = 16;
/** Kernels want widths in multiples of this even where they are smaller than a block. */
const ALIGNED = 4;
/** A convolution at which the block is found: large enough to be told from noise, small enough to cost nothing. */
const PROBE = { size: 28, input: 64, base: 64 };
/** A width within a block that costs at least this share of what the whole block adds is computed as a whole block. */
const SAME = 0.75;

export class LatencyModel {
  private readonly rows: readonly { readonly layer: TimedLayer; readonly grid: Grid }[];
  private readonly scale: number;
  private readonly rest: number;
  private readonly restTerms: readonly { readonly term: AxisTerm; readonly perIndex: number }[];
  private readonly restElements: number;

  private constructor(
    axes: AxisTerms,
    rows: LatencyModel['rows'],
    rest: LatencyModel['restTerms'],
    /** Channels that convolutions compute at a time. */
    readonly block: number,
    full: number,
  ) {
    this.rows = rows;
    this.restTerms = rest;
    this.restElements = this.elements(axes.sizes);
    this.scale = 1;
    const layers = this.layers(axes.sizes);
    this.scale = layers > full ? full / layers : 1;
    this.rest = Math.max(0, full - layers);
  }

  /**
   * Times the layers.
   * @param shapes of the model's values for the batch in question
   * @param full milliseconds that the whole model takes for that batch
   */
  static async measure(
    model: Model,
    analysis: ChannelAnalysis,
    shapes: ReadonlyMap<string, readonly number[]>,
    full: number,
    cache: LatencyCache,
  ): Promise<LatencyModel> {
    const axes = new AxisTerms(model, analysis);
    const block = await blockOfConvolutions(cache);
    const layers = timedLayers(model, axes, shapes);
    const grids = new Map<string, Grid>();
    const wanted: { readonly key: string; readonly node: TimedNode }[] = [];
    for (const layer of layers) {
      if (grids.has(gridKey(layer, axes.sizes))) continue;
      const unit = layer.convolution ? block : 8;
      const inputs = layer.input === null ? [0] : lengths(layer.input, axes.sizes, unit);
      const outputs = lengths(layer.output, axes.sizes, unit);
      grids.set(gridKey(layer, axes.sizes), new Grid(inputs, outputs, layer.convolution ? block : 1));
      for (const input of inputs)
        for (const output of outputs)
          wanted.push({ key: pointKey(layer, input, output), node: layer.at(input, output) });
    }
    const times = await timesOf(wanted, cache);
    const rows = layers.map((layer) => {
      const grid = grids.get(gridKey(layer, axes.sizes))!;
      grid.fill((input, output) => times.get(pointKey(layer, input, output))!);
      return { layer, grid };
    });
    return new LatencyModel(axes, rows, restOf(model, analysis, axes, shapes), block, full);
  }

  /** Milliseconds of one run at these widths. Never falls as a width grows. */
  latency(widths: ArrayLike<number>): number {
    return this.scale * this.layers(widths) + (this.rest * this.elements(widths)) / Math.max(this.restElements, 1);
  }

  private layers(widths: ArrayLike<number>): number {
    let sum = 0;
    for (const { layer, grid } of this.rows)
      sum += grid.at(layer.input === null ? 0 : lengthOf(layer.input, widths), lengthOf(layer.output, widths));
    return sum;
  }

  private elements(widths: ArrayLike<number>): number {
    return this.restTerms.reduce((sum, { term, perIndex }) => sum + perIndex * lengthOf(term, widths), 0);
  }
}

/** Elements that all other nodes write, by the axis that channels lie along. */
function restOf(
  model: Model,
  analysis: ChannelAnalysis,
  axes: AxisTerms,
  shapes: ReadonlyMap<string, readonly number[]>,
): LatencyModel['restTerms'] {
  const timed = macsByNode(model, shapes);
  return model.graph.nodes.flatMap((node) => {
    if (timed.has(node) || node.opType === 'Constant') return [];
    return node.outputs.flatMap((name) => {
      const dims = shapes.get(name);
      if (dims === undefined) return [];
      const map = analysis.values.get(name);
      const length = map?.channels.length ?? 1;
      return [{ term: axes.ofChannels(length, map?.channels), perIndex: elementCount(dims) / length }];
    });
  });
}

/** Times on a grid of lengths, bilinear in between. */
class Grid {
  private readonly values: Float64Array;

  constructor(
    private readonly inputs: readonly number[],
    private readonly outputs: readonly number[],
    /** Lengths are computed in multiples of it. */
    private readonly block: number,
  ) {
    this.values = new Float64Array(inputs.length * outputs.length);
  }

  /** A longer axis never takes less time: where it was measured so, that is noise. */
  fill(time: (input: number, output: number) => number): void {
    const { inputs, outputs, values } = this;
    const columns = outputs.length;
    inputs.forEach((input, i) => {
      outputs.forEach((output, o) => {
        const before = Math.max(i > 0 ? values[(i - 1) * columns + o]! : 0, o > 0 ? values[i * columns + o - 1]! : 0);
        values[i * columns + o] = Math.max(before, time(input, output));
      });
    });
  }

  at(input: number, output: number): number {
    const [i, u] = place(this.inputs, this.whole(input));
    const [o, v] = place(this.outputs, this.whole(output));
    const columns = this.outputs.length;
    const value = (a: number, b: number): number =>
      this.values[Math.min(i + a, this.inputs.length - 1) * columns + Math.min(o + b, columns - 1)]!;
    return (1 - u) * ((1 - v) * value(0, 0) + v * value(0, 1)) + u * ((1 - v) * value(1, 0) + v * value(1, 1));
  }

  /** The length that is computed in its place. */
  private whole(length: number): number {
    const unit = length >= this.block ? this.block : Math.min(this.block, ALIGNED);
    return Math.ceil(length / unit - 1e-9) * unit;
  }
}

/** Index of the last point at or below a length, and how far it is on the way to the next; at the ends those. */
function place(points: readonly number[], length: number): [number, number] {
  let i = 0;
  while (i + 1 < points.length && points[i + 1]! <= length) i++;
  const next = points[i + 1];
  if (next === undefined) return [i, 0];
  return [i, Math.max(0, (length - points[i]!) / (next - points[i]!))];
}

/** Lengths at which an axis is timed, rising, in multiples of a unit where the full one is. */
function lengths(term: AxisTerm, sizes: readonly number[], unit: number): number[] {
  const full = Math.round(lengthOf(term, sizes));
  if (term.spaces.length === 0) return [full];
  const found = SHARES.map((share) => {
    const step = full % unit === 0 && share * full >= unit ? unit : full % ALIGNED === 0 ? ALIGNED : 1;
    return Math.max(step, Math.round((share * full) / step) * step);
  });
  return [...new Set([...found, full])].sort((a, b) => a - b);
}

function gridKey({ key, input, output }: TimedLayer, sizes: readonly number[]): string {
  const full = (term: AxisTerm | null): string =>
    term === null ? '' : `${lengthOf(term, sizes)}${term.spaces.length === 0 ? 'f' : ''}`;
  return `${key} ${full(input)} ${full(output)}`;
}

function pointKey({ key }: TimedLayer, input: number, output: number): string {
  return `${key} ${input} ${output}`;
}

/** Times of nodes, measured where the cache does not have them. */
async function timesOf(
  wanted: readonly { readonly key: string; readonly node: TimedNode }[],
  cache: LatencyCache,
): Promise<ReadonlyMap<string, number>> {
  const missing = [...new Map(wanted.filter(({ key }) => cache.get(key) === undefined).map((w) => [w.key, w.node]))];
  const times = await kernelTimes(missing.map(([, node]) => node));
  missing.forEach(([key], i) => {
    cache.set(key, times[i]!);
  });
  return new Map(wanted.map(({ key }) => [key, cache.get(key)!]));
}

/** How many channels this machine's convolution kernels compute at a time: 16, 8, or 1 where width makes no steps. */
export async function blockOfConvolutions(cache: LatencyCache): Promise<number> {
  const { size, input, base } = PROBE;
  const widths = [base, base + BLOCK / 4, base + BLOCK / 2, base + BLOCK];
  const times = await timesOf(
    widths.map((width) => ({
      key: `block ${width}`,
      node: {
        opType: 'Conv',
        attributes: new Map([['pads', { name: 'pads', type: 'ints', value: [1, 1, 1, 1] }]]),
        input: [1, input, size, size],
        weight: [width, input, 3, 3],
        dtype: 'float32',
      },
    })),
    cache,
  );
  const [none, quarter, half, whole] = widths.map((width) => times.get(`block ${width}`)!) as [
    number,
    number,
    number,
    number,
  ];
  if (half - none >= SAME * (whole - none)) return BLOCK;
  return quarter - none >= SAME * (half - none) ? BLOCK / 2 : 1;
}
