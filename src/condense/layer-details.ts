/** What the report draws of every layer, from the moments that a method has anyway. */
import type { Moments } from '../calibration/moments.js';
import type { Site } from '../channels/sites.js';
import { label } from '../channels/tracker.js';
import type { ChannelSpace } from '../channels/types.js';
import { clusterOrder } from '../linalg/cluster-order.js';
import type { Matrix } from '../linalg/matrix.js';
import type { WidthCurve } from '../plan/search.js';
import type { CosineMatrix, LayerDetail, LayerOutcome } from '../report/details.js';
import type { ChannelFates } from './folded-channels.js';
import { layerFigures, layerStatistics, type LayerStatistics } from './layer-figures.js';

/** Neurons along a side of a matrix of cosines, and elements of those of all layers together. */
const MOST_NEURONS = 128;
const MATRIX_ELEMENTS = 1_200_000;
/** Neurons whose covariance is decomposed: 2,000 take half a minute. */
const MOST_DIRECTIONS = 1024;
/** Points of a spectrum or a curve. */
const POINTS = 96;
/** Removed neurons of all layers together of which it is told who took over. */
const FOLDED = 6000;

/** What is known beside the moments. */
export interface LayerKnowledge {
  /** By space; empty where nothing was predicted. */
  readonly curves?: readonly WidthCurve[];
  /** Where something was made. */
  readonly fates?: ChannelFates;
}

/** Of the layers of a model that a method worked on. */
export function layerDetails(
  spaces: readonly ChannelSpace[],
  moments: (site: Site) => Moments,
  { curves, fates }: LayerKnowledge = {},
): LayerDetail[] {
  return spaces.map((space, i) =>
    layerDetail(
      layerStatistics(space, moments, MOST_DIRECTIONS),
      spaces.length,
      curves?.[i],
      fates && outcomeOf(space, fates, spaces),
    ),
  );
}

/** @param layers how many there are in all: what is shown of each gets less with their number */
export function layerDetail(
  statistics: LayerStatistics,
  layers: number,
  curve?: WidthCurve,
  outcome?: LayerOutcome,
): LayerDetail {
  const { space, G, values } = statistics;
  const { effectiveRank, collinear } = layerFigures(statistics);
  const side = Math.min(MOST_NEURONS, Math.floor(Math.sqrt((2 * MATRIX_ELEMENTS) / layers)));
  return {
    nodes: space.producers.map(label),
    channels: space.channels.length,
    cosines: cosineMatrix(G, side),
    spectrum: spectrumOf(values),
    effectiveRank,
    collinear,
    curve: curve === undefined ? [] : curvePoints(curve),
    ...(outcome === undefined ? {} : { outcome }),
  };
}

/** The neurons of a layer are numbered 0, 1, … in the order of its channels. */
function outcomeOf(
  { id, channels }: ChannelSpace,
  { keep, folded, turned }: ChannelFates,
  spaces: readonly ChannelSpace[],
): LayerOutcome {
  const neuron = new Map([...channels].map((channel, i) => [channel, i]));
  const kept = Int32Array.from(channels.keys()).filter((i) => keep[channels[i]!] === 1);
  const removed = [...channels].filter((channel) => keep[channel] !== 1);
  const shown = Math.max(20, Math.floor(FOLDED / spaces.length));
  return {
    width: kept.length,
    turned: turned.has(id),
    kept,
    folded: removed.slice(0, shown).map((channel) => ({
      neuron: neuron.get(channel)!,
      into: (folded.get(channel) ?? []).flatMap(({ channel: heir, share }) => {
        const at = neuron.get(heir);
        return at === undefined ? [] : [{ neuron: at, share }];
      }),
    })),
  };
}

function cosineMatrix(G: Matrix, side: number): CosineMatrix {
  const n = G.rows;
  const count = Math.min(n, side);
  const sample = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * n) / count));
  const energy = sample.map((i) => Math.max(0, G.data[i * n + i]!));
  const cosine = (a: number, b: number): number => {
    const product = Math.sqrt(energy[a]! * energy[b]!);
    return product > 0 ? Math.max(-1, Math.min(1, G.data[sample[a]! * n + sample[b]!]! / product)) : 0;
  };
  const order = clusterOrder(count, (a, b) => 1 - Math.abs(cosine(a, b)));
  const values = new Int8Array((count * (count - 1)) / 2);
  let at = 0;
  for (let i = 1; i < count; i++)
    for (let j = 0; j < i; j++) values[at++] = Math.round(127 * cosine(order[i]!, order[j]!));
  return { neurons: order.map((i) => sample[i]!), values };
}

function spectrumOf(values: Float64Array): LayerDetail['spectrum'] {
  const total = values.reduce((sum, v) => sum + Math.max(0, v), 0);
  return { shares: Array.from(values, (v) => (total > 0 ? Math.max(0, v) / total : 0)), of: values.length };
}

function curvePoints({ size, minimum, error }: WidthCurve): LayerDetail['curve'] {
  const count = Math.min(POINTS, size - minimum + 1);
  const widths = Array.from({ length: count }, (_, i) =>
    Math.round(minimum + ((size - minimum) * i) / Math.max(count - 1, 1)),
  );
  return widths.map((width) => ({ width, nrmse: Math.sqrt(Math.max(0, error[width]!)) }));
}
