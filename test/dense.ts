import { streamMoments } from '../src/calibration/stream.js';
import type { Moments } from '../src/calibration/moments.js';
import { analyseChannels } from '../src/channels/analysis.js';
import { condensingSites, type Site } from '../src/channels/sites.js';
import { FIXED, type ChannelAnalysis } from '../src/channels/types.js';
import { held } from '../src/channels/weights.js';
import type { Feeds, NumericArray } from '../src/graph/feeds.js';
import type { Model } from '../src/graph/ir.js';
import type { Tensor } from '../src/graph/tensor.js';
import { floatTensor, int64Tensor } from '../src/graph/tensor-data.js';
import type { SessionOptions } from '../src/runtime/session.js';
import { withSession } from '../src/runtime/session.js';
import { probeShapes } from '../src/runtime/shapes.js';
import { cutChannels, type Reduction } from '../passes/cut-channels.js';
import { normals } from './matrices.js';

export const CPU: SessionOptions = { provider: 'cpu' };

/** A float32 tensor of standard normal numbers over the square root of its first axis's length. */
export function weights(name: string, dims: readonly number[], seed = hash(name)): Tensor {
  const next = normals(seed);
  const count = dims.reduce((a, b) => a * b, 1);
  const scale = 1 / Math.sqrt(dims[0] ?? 1);
  return floatTensor(
    name,
    dims,
    'float32',
    Array.from({ length: count }, () => scale * next()),
  );
}

/** A float32 tensor with these values. */
export function constant(name: string, dims: readonly number[], values: readonly number[]): Tensor {
  return floatTensor(name, dims, 'float32', values);
}

/** An int64 vector. */
export function integers(name: string, values: readonly number[]): Tensor {
  return int64Tensor(name, [values.length], values);
}

/** An int64 number without axes. */
export function integer(name: string, value: number): Tensor {
  return int64Tensor(name, [], [value]);
}

/** Standard normal values for the model's inputs (those that are no initializers), `rows` in the place of unknown and symbolic dimensions. */
export function randomFeeds(model: Model, rows: number, seed = 1): Feeds {
  const next = normals(seed);
  const feeds = new Map<string, NumericArray>();
  for (const input of model.graph.inputs) {
    if (model.graph.initializers.has(input.name)) continue;
    const dims = input.shape!.map((d) => (typeof d === 'number' ? d : rows));
    const count = dims.reduce((a, b) => a * b, 1);
    feeds.set(input.name, { dtype: 'float32', dims, data: Float32Array.from({ length: count }, next) });
  }
  return feeds;
}

/** The analysis with shapes from the runtime, as the program makes it. */
export async function analyse(model: Model, rows = 3): Promise<ChannelAnalysis> {
  return analyseChannels(model, await probeShapes(model, randomFeeds(model, rows), CPU));
}

/** What the model computes. */
export function outputsOf(model: Model, feeds: Feeds): Promise<Map<string, NumericArray>> {
  return withSession(model, CPU, (session) => session.run(feeds));
}

/** The largest difference over all outputs, relative to each output's largest value; Infinity where names, shapes or NaN differ. */
export async function relativeDifference(a: Model, b: Model, feeds: Feeds): Promise<number> {
  const [left, right] = [await outputsOf(a, feeds), await outputsOf(b, feeds)];
  if (left.size !== right.size) return Infinity;
  let worst = 0;
  for (const [name, { dims, data }] of left) {
    const other = right.get(name);
    if (other === undefined || other.dims.join() !== dims.join()) return Infinity;
    const [x, y] = [data as Float32Array, other.data as Float32Array];
    const size = x.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-6);
    for (let i = 0; i < x.length; i++) {
      const gap = Math.abs(x[i]! - y[i]!) / size;
      worst = Number.isNaN(gap) ? Infinity : Math.max(worst, gap);
    }
  }
  return worst;
}

/** Cuts without compensation: the channels that stay are those of `keep`. */
export async function cutOnly(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): Promise<Model> {
  const reduction: Reduction = { analysis, keep, absorbed: new Map() };
  return (await cutChannels.run(model, reduction)).model;
}

/** A mask that keeps the first `count` removable channels of every space and whatever is not removable. */
export function keepFirst(analysis: ChannelAnalysis, count: number): Uint8Array {
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  for (const space of analysis.spaces) space.channels.slice(count).forEach((c) => (keep[c] = 0));
  return keep;
}

/** The lengths of the shapes of some initializers or Constant nodes, by name. */
export function dimsOf(model: Model, ...names: string[]): number[][] {
  return names.map((name) => [...held(model.graph, name).dims]);
}

/** Per target node: how many of its channels can be removed, or the code of its refusal. */
export function summary(analysis: ChannelAnalysis): Record<string, number | string> {
  return Object.fromEntries(
    analysis.targets.map((t) => [
      t.node.name,
      t.refusal?.code ?? t.channels!.reduce((sum, c) => sum + (c === FIXED ? 0 : 1), 0),
    ]),
  );
}

/** Moments of every site over some rows. */
export async function momentsOf(
  model: Model,
  analysis: ChannelAnalysis,
  feeds: Feeds,
): Promise<(site: Site) => Moments> {
  const requests = condensingSites(analysis).map(({ key, input, featureAxis, rank, features }) => ({
    key,
    x: { value: input, axis: featureAxis, rank, features: features.length, dtype: 'float32' as const },
  }));
  const { moments } = await streamMoments(streamGraph(model), requests, [{ feeds, rows: [0], fold: 0 }], {
    ...CPU,
    folds: 1,
    stack: 1,
  });
  return (site) => moments.get(site.key)![0]!;
}

/** The whole model as a graph to stream. */
export function streamGraph(model: Model): Parameters<typeof streamMoments>[0] {
  const { graph } = model;
  return {
    base: model,
    nodes: graph.nodes,
    initializers: [...graph.initializers.values()],
    inputs: graph.inputs
      .filter((i) => !graph.initializers.has(i.name))
      .map((i) => ({ name: i.name, dtype: i.dtype ?? 'float32', rank: i.shape!.length })),
  };
}

/** A seed from a name, so that every tensor of a test has numbers of its own. */
function hash(text: string): number {
  let h = 7;
  for (const c of text) h = (Math.imul(h, 31) + c.charCodeAt(0)) >>> 0;
  return h;
}

/** The model as text, to show that nothing edited it. */
export function snapshot(model: Model): string {
  return JSON.stringify(model, (_, value: unknown) =>
    value instanceof Map ? [...(value as Map<unknown, unknown>)] : value,
  );
}
