/** What second moments say of a layer's channels: how many directions they span, how many are collinear, and how many do nothing. */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import type { ChannelSpace } from '../channels/types.js';
import { effectiveRank } from '../linalg/effective-rank.js';
import { symmetricEigenvalues } from '../linalg/eigen.js';
import { gather, type Matrix } from '../linalg/matrix.js';
import type { InspectedLayer } from '../report/inspect-report.js';
import { channelMoments, constantChannels } from '../select/channel-moments.js';
import { partnerCosines } from '../select/cosine.js';

/** Shares of the variance of which the effective rank is given. */
export const ENERGIES = [0.99, 0.999, 0.9999] as const;
/** Absolute cosines from which neurons count as collinear. */
export const COSINES = [0.95, 0.99] as const;
/** Share of the mean second moment of a layer below which a channel is dead: (1e-6)². */
const DEAD = 1e-12;

export type LayerFigures = Pick<InspectedLayer, 'effectiveRank' | 'collinear' | 'dead' | 'constant'>;

/** What figures and pictures of a layer are made from. */
export interface LayerStatistics {
  readonly space: ChannelSpace;
  readonly moments: (site: Site) => Moments;
  /** Uncentred second moments of the channels. */
  readonly G: Matrix;
  /** Eigenvalues of their covariance, or that of a sample of them, descending. */
  readonly values: Float64Array;
}

/** @param most channels whose covariance is decomposed: as many of a wider layer, evenly spread */
export function layerStatistics(
  space: ChannelSpace,
  moments: (site: Site) => Moments,
  most = Infinity,
): LayerStatistics {
  const C = channelMoments(space, moments, true);
  const count = Math.min(C.rows, most);
  const sample = Int32Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * C.rows) / count));
  const values = symmetricEigenvalues(count < C.rows ? gather(C, sample, sample) : C);
  return { space, moments, G: channelMoments(space, moments, false), values };
}

export function layerFigures({ space, moments, G, values }: LayerStatistics): LayerFigures {
  const n = G.rows;
  const energy = Float64Array.from({ length: n }, (_, i) => G.data[i * n + i]!);
  const mean = energy.reduce((sum, e) => sum + e, 0) / n;
  const dead = energy.map((e) => (e <= DEAD * mean ? 1 : 0));
  const constant = constantChannels(space, moments);
  const cosines = partnerCosines(G);
  return {
    effectiveRank: ENERGIES.map((share) => ({ energy: share, rank: effectiveRank(values, share) })),
    collinear: COSINES.map((cosine) => ({
      cosine,
      share: cosines.reduce((count, c) => count + (c >= cosine ? 1 : 0), 0) / n,
    })),
    dead: dead.reduce((sum, d) => sum + d, 0),
    constant: space.channels.reduce((count, c, i) => count + (constant.has(c) && dead[i] === 0 ? 1 : 0), 0),
  };
}
