/**
 * Redundancy that the weights alone prove, for every input:
 *
 * - constant channels: nothing flows into them (all incoming weights are zero, and nothing else that differs from row to row is combined with
 *   them), so their value t is the same for every input; W t goes into the consumers' biases;
 * - unread channels: every consumer's weight on them is zero;
 * - duplicates up to a factor c that everything between producers and consumers lets through: x_j = c x_r, so W_:r += c W_:j.
 *
 * With `evidence: data` the same three are also read off the moments of the sample; that is not a proof.
 */
import { gatherAxis } from '../graph/gather.js';
import type { Model } from '../graph/ir.js';
import { toFloat64 } from '../graph/tensor-data.js';
import { featuresByChannel, presence, sitesOfSpace, type Site } from '../channels/sites.js';
import { FIXED, type ChannelAnalysis, type ChannelSpace } from '../channels/types.js';
import { held, readWeight } from '../channels/weights.js';
import type { Moments } from '../calibration/moments.js';
import type { Matrix } from '../linalg/matrix.js';
import type { Blas } from '../runtime/blas.js';
import { constantChannels } from '../select/channel-moments.js';
import { duplicateRows } from '../select/exact.js';
import type { Reduction } from '../../passes/cut-channels.js';
import type { Absorption } from '../select/span.js';
import { absorbAll, type AbsorptionObserver } from './absorb.js';

/** What became of a channel that leaves. */
type Fate =
  | { readonly kind: 'constant' }
  | { readonly kind: 'unread' }
  | { readonly kind: 'joins'; readonly leader: number; readonly factor: number };

/** Relative deviation up to which weights count as equal; float32 has 6e-8. */
const WEIGHT_TOLERANCE = 1e-6;
/** On data: 1 − |cosine| of columns that differ by rounding only (float32 products). */
const COSINE_TOLERANCE = 5e-7;

/**
 * @param moments of consumer inputs by site: from any few rows for the values of constant channels; from all rows under `evidence: data`
 */
export async function exactReduction(
  model: Model,
  analysis: ChannelAnalysis,
  moments: (site: Site) => Moments,
  evidence: 'weights' | 'data',
  blas: Blas,
  observe?: AbsorptionObserver,
): Promise<Reduction> {
  const keep = new Uint8Array(analysis.channelCount).fill(1);
  const fates = new Map<number, Fate>();
  for (const space of analysis.spaces) {
    const found = fatesFromWeights(model, analysis, space);
    if (evidence === 'data') fatesFromData(space, moments, found);
    dropImpossible(space, found, moments);
    // At least one channel stays: an axis of length zero is no model.
    if (found.size === space.channels.length && space.least > 0) found.delete(space.channels[0]!);
    for (const [channel, fate] of found) {
      if (fate.kind === 'joins' && found.has(fate.leader)) continue;
      fates.set(channel, fate);
      keep[channel] = 0;
    }
  }
  return {
    analysis,
    keep,
    absorbed: await absorbAll(model, analysis, keep, (site) => absorption(site, fates, moments), blas, observe),
  };
}

function absorption(site: Site, fates: ReadonlyMap<number, Fate>, moments: (site: Site) => Moments): Absorption {
  const kept: number[] = [];
  const column = new Map<number, number>();
  site.features.forEach((c, f) => {
    if (c !== FIXED && fates.has(c)) return;
    column.set(f, kept.length);
    kept.push(f);
  });
  const n = site.features.length;
  const T = new Float64Array(n * kept.length);
  kept.forEach((f, k) => (T[f * kept.length + k] = 1));
  const t = new Float64Array(n);
  const mean = moments(site).meanX();
  const features = featuresByChannel(site);
  for (const [c, own] of features) {
    const fate = fates.get(c);
    if (fate?.kind === 'constant') for (const f of own) t[f] = mean[f]!;
    if (fate?.kind !== 'joins') continue;
    const leader = features.get(fate.leader)!;
    own.forEach((f, i) => (T[f * kept.length + column.get(leader[i]!)!] = fate.factor));
  }
  return { kept: Int32Array.from(kept), T: { rows: n, cols: kept.length, data: T }, t };
}

function fatesFromWeights(model: Model, analysis: ChannelAnalysis, space: ChannelSpace): Map<number, Fate> {
  const channels = [...space.channels];
  const weights = new Set(analysis.consumers.map((c) => c.weight));
  const produce = sliceRows(model, analysis, channels, (cut) => cut.role === 'produce');
  const incoming = sliceRows(model, analysis, channels, (cut) => cut.role === 'produce' && weights.has(cut.holder));
  const factors = sliceRows(model, analysis, channels, (cut) => cut.role === 'factor');
  const fates = new Map<number, Fate>();
  const unread = unreadChannels(model, space);
  channels.forEach((c, i) => {
    if (unread.has(c)) fates.set(c, { kind: 'unread' });
    else if (!space.uneven && incoming[i]!.length > 0 && incoming[i]!.every((v) => v === 0))
      fates.set(c, { kind: 'constant' });
  });
  // Channels can only be duplicates where the same tensors make them and their factors are the same numbers.
  const sources = sourcesOf(analysis, channels);
  const read = presence(space);
  const groups = new Map<string, number[]>();
  channels.forEach((c, i) => {
    if (fates.has(c)) return;
    const key = `${sources[i]!.join()}|${factors[i]!.join()}|${read[i]!}`;
    groups.set(key, [...(groups.get(key) ?? []), i]);
  });
  const scale = space.homogeneity;
  for (const members of groups.values()) {
    const cols = produce[members[0]!]!.length;
    const data = new Float64Array(members.length * cols);
    members.forEach((i, row) => data.set(produce[i]!, row * cols));
    duplicateRows({ rows: members.length, cols, data }, { scale, tolerance: WEIGHT_TOLERANCE }).forEach(
      ({ leader, factor }, row) => {
        if (leader === row || leader < 0) return;
        fates.set(channels[members[row]!]!, { kind: 'joins', leader: channels[members[leader]!]!, factor });
      },
    );
  }
  return fates;
}

/** For each channel, its numbers in all cuts of some role, one behind the other. */
function sliceRows(
  model: Model,
  analysis: ChannelAnalysis,
  channels: readonly number[],
  select: (cut: ChannelAnalysis['cuts'][number]) => boolean,
): number[][] {
  const rows: number[][] = channels.map(() => []);
  const position = new Map(channels.map((c, i) => [c, i]));
  for (const cut of analysis.cuts) {
    if (!select(cut) || !cut.channels.some((c) => position.has(c))) continue;
    const tensor = held(model.graph, cut.holder);
    cut.channels.forEach((c, i) => {
      const at = position.get(c);
      if (at === undefined) return;
      for (const v of toFloat64(gatherAxis(tensor, cut.axis, [i]))) rows[at]!.push(v);
    });
  }
  return rows;
}

/** For each channel, which cuts make it or multiply it. */
function sourcesOf(analysis: ChannelAnalysis, channels: readonly number[]): number[][] {
  const sources: number[][] = channels.map(() => []);
  const position = new Map(channels.map((c, i) => [c, i]));
  analysis.cuts.forEach((cut, index) => {
    if (cut.role === 'consume') return;
    for (const c of cut.channels) {
      const at = position.get(c);
      if (at !== undefined) sources[at]!.push(index);
    }
  });
  return sources;
}

function unreadChannels(model: Model, space: ChannelSpace): Set<number> {
  const read = new Set<number>();
  for (const consumer of space.consumers) {
    const W = readWeight(model, consumer);
    consumer.features.forEach((c, f) => {
      if (c === FIXED || read.has(c)) return;
      for (let o = 0; o < W.rows; o++) {
        if (W.data[o * W.cols + f] !== 0) {
          read.add(c);
          return;
        }
      }
    });
  }
  return new Set([...space.channels].filter((c) => !read.has(c)));
}

/** Adds what the sample shows: no variance, or collinear with another channel at every site of the space. */
function fatesFromData(space: ChannelSpace, moments: (site: Site) => Moments, fates: Map<number, Fate>): void {
  const sites = sitesOfSpace(space).map((site) => ({ G: moments(site).xx(false), features: featuresByChannel(site) }));
  const energy = (M: Matrix, list: readonly number[]): number =>
    list.reduce((sum, f) => sum + M.data[f * M.cols + f]!, 0);
  const read = new Map(presence(space).map((key, i) => [space.channels[i]!, key]));
  const open = [...space.channels].filter((c) => !fates.has(c));
  const constant = constantChannels(space, moments);
  for (const c of open) if (constant.has(c)) fates.set(c, { kind: 'constant' });
  const leaders: number[] = [];
  for (const c of open) {
    if (fates.has(c)) continue;
    const match = leaders.flatMap((leader) => {
      if (read.get(leader) !== read.get(c)) return [];
      const factors = sites.flatMap(({ G, features }) => {
        const [own, its] = [features.get(c) ?? [], features.get(leader) ?? []];
        if (own.length === 0) return [];
        // Features of one channel go together: their products add up.
        const dot = own.reduce((sum, f, i) => sum + G.data[f * G.cols + its[i]!]!, 0);
        const collinear = Math.abs(dot) >= (1 - COSINE_TOLERANCE) * Math.sqrt(energy(G, own) * energy(G, its));
        return [collinear ? dot / energy(G, its) : undefined];
      });
      const [factor] = factors;
      const same =
        factor !== undefined &&
        factors.every((v) => v !== undefined && Math.abs(v - factor) <= 1e-5 * Math.abs(factor));
      return same ? [{ leader, factor }] : [];
    })[0];
    if (match === undefined) leaders.push(c);
    else fates.set(c, { kind: 'joins', ...match });
  }
}

/** A constant channel whose value is not zero needs a bias in every consumer to go into. */
function dropImpossible(space: ChannelSpace, fates: Map<number, Fate>, moments: (site: Site) => Moments): void {
  for (const site of sitesOfSpace(space)) {
    if (site.centred) continue;
    const mean = moments(site).meanX();
    site.features.forEach((c, f) => {
      if (fates.get(c)?.kind === 'constant' && mean[f] !== 0) fates.delete(c);
    });
  }
}
