import type { Moments } from '../calibration/moments.js';
import { featuresByChannel, type Site } from '../channels/sites.js';
import { label } from '../channels/tracker.js';
import { FIXED, type ChannelAnalysis, type ChannelSpace } from '../channels/types.js';
import { readWeight } from '../channels/weights.js';
import type { Model } from '../graph/ir.js';
import type { Blas } from '../runtime/blas.js';
import { channelMoments } from '../select/channel-moments.js';
import { mergeByCosine } from '../select/cosine.js';
import type { Reduction } from '../../passes/cut-channels.js';
import type { Absorption } from '../select/span.js';
import { absorbAll, type AbsorptionObserver } from './absorb.js';

/** A threshold for all spaces, or by node with 1 (nothing merged) for those not named. */
export type Thresholds = number | ReadonlyMap<string, number>;

/** The reduction that merges neurons into their leaders; see `select/cosine.ts`. */
export async function cosineReduction(
  model: Model,
  analysis: ChannelAnalysis,
  moments: (site: Site) => Moments,
  thresholds: Thresholds,
  blas: Blas,
  observe?: AbsorptionObserver,
): Promise<Reduction> {
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  const leaderOf = new Map<number, number>();
  for (const space of analysis.spaces) {
    const threshold = thresholdOf(space, thresholds);
    if (threshold === undefined) continue;
    const { leader } = mergeByCosine(channelMoments(space, moments, false), weightNorms(model, space), threshold);
    space.channels.forEach((c, i) => {
      if (leader[i] === i) return;
      keep[c] = 0;
      leaderOf.set(c, space.channels[leader[i]!]!);
    });
  }
  return {
    analysis,
    keep,
    absorbed: await absorbAll(
      model,
      analysis,
      keep,
      (site) => absorption(site, leaderOf, moments(site)),
      blas,
      observe,
    ),
  };
}

function thresholdOf(space: ChannelSpace, thresholds: Thresholds): number | undefined {
  if (typeof thresholds === 'number') return thresholds;
  for (const node of space.producers) {
    const own = thresholds.get(label(node)) ?? thresholds.get(node.outputs[0] ?? '');
    if (own !== undefined) return own;
  }
  return thresholds.get('*');
}

/** ‖W_i‖² of each channel over all consumers. */
function weightNorms(model: Model, space: ChannelSpace): Float64Array {
  const norms = new Float64Array(space.channels.length);
  const position = new Map([...space.channels].map((c, i) => [c, i]));
  for (const consumer of space.consumers) {
    const W = readWeight(model, consumer);
    consumer.features.forEach((c, f) => {
      const at = position.get(c);
      if (at === undefined) return;
      for (let o = 0; o < W.rows; o++) norms[at] = norms[at]! + W.data[o * W.cols + f]! ** 2;
    });
  }
  return norms;
}

/** T_jr = G_jr / G_rr at this site, one factor for all features of a channel. */
function absorption(site: Site, leaderOf: ReadonlyMap<number, number>, moments: Moments): Absorption {
  const G = moments.xx(false);
  const n = G.rows;
  const kept: number[] = [];
  const column = new Map<number, number>();
  site.features.forEach((c, f) => {
    if (c !== FIXED && leaderOf.has(c)) return;
    column.set(f, kept.length);
    kept.push(f);
  });
  const T = new Float64Array(n * kept.length);
  kept.forEach((f, k) => (T[f * kept.length + k] = 1));
  const features = featuresByChannel(site);
  for (const [c, own] of features) {
    const leader = leaderOf.get(c);
    if (leader === undefined) continue;
    const its = features.get(leader) ?? [];
    const energy = its.reduce((sum, r) => sum + G.data[r * n + r]!, 0);
    const product = its.length === 0 ? 0 : own.reduce((sum, f, i) => sum + G.data[f * n + its[i]!]!, 0);
    // A silent channel may have joined any leader, with nothing.
    if (energy > 0) own.forEach((f, i) => (T[f * kept.length + column.get(its[i]!)!] = product / energy));
  }
  return { kept: Int32Array.from(kept), T: { rows: n, cols: kept.length, data: T }, t: new Float64Array(n) };
}
