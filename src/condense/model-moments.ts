import { Moments } from '../calibration/moments.js';
import { streamMoments, type Batch } from '../calibration/stream.js';
import type { MomentRequest } from '../calibration/instrument.js';
import { condensingSites, type Site } from '../channels/sites.js';
import { label } from '../channels/tracker.js';
import { held } from '../channels/weights.js';
import type { CondenseOptions } from './options.js';
import { dataInputs, type Prepared } from './prepare.js';
import { pooledSampling, positionsPerRow, type Sampling } from '../calibration/positions.js';

/** Moments of every site that reads removable channels, in two parts: rows to fit on and validation rows. */
export interface ModelMoments {
  readonly fit: (site: Site) => Moments;
  readonly all: (site: Site) => Moments;
  /** Validation rows alone; undefined where there are none. */
  readonly validation: (site: Site) => Moments | undefined;
}

/** One streaming pass over the batches for all sites at once. Batches of fold 1 are validation rows, those of fold 0 the others. */
export async function collectModelMoments(
  { original, analysis, session, data }: Prepared,
  batches: readonly Batch[],
  { onProgress, positions }: CondenseOptions,
  sites: readonly Site[] = condensingSites(analysis),
): Promise<ModelMoments> {
  const total = batches.reduce((sum, b) => sum + b.rows.length, 0);
  const requests = sites.map((site): MomentRequest => {
    const dtype = held(original.graph, site.consumers[0]!.weight).dtype;
    const sampling = samplingOf(site, total, positions);
    return {
      key: site.key,
      node: label(site.consumers[0]!.node),
      x: { value: site.input, axis: site.featureAxis, rank: site.rank, features: site.features.length, dtype },
      ...(sampling === undefined ? {} : { sampling }),
    };
  });
  const graph = {
    base: original,
    nodes: original.graph.nodes,
    initializers: [...original.graph.initializers.values()],
    inputs: dataInputs(original).map((i) => ({
      name: i.name,
      dtype: i.dtype,
      ...(i.shape === undefined ? {} : { rank: i.shape.length }),
    })),
  };
  const { moments } = await streamMoments(graph, requests, batches, {
    ...session,
    folds: 2,
    stack: data.stack,
    onBatch: (done) => onProgress?.({ stage: 'calibrate', message: 'second moments', done, total }),
  });
  const totals = new Map<string, Moments>();
  const parts = (site: Site): readonly Moments[] => moments.get(site.key)!.filter((m) => m.rows > 0);
  return {
    fit: (site) => parts(site)[0]!,
    validation: (site) => moments.get(site.key)!.find((m, fold) => fold === 1 && m.rows > 0),
    all: (site) => {
      let total = totals.get(site.key);
      if (total === undefined) totals.set(site.key, (total = Moments.total(parts(site))));
      return total;
    },
  };
}

/** The positions that a site's moments are taken at: of the output map where patches are the features, else of the input map. */
function samplingOf(site: Site, rows: number, asked: number | undefined): Sampling | undefined {
  const kernel = site.consumers.find((c) => c.kernel !== undefined)?.kernel;
  const count = positionsPerRow(site.features.length, rows, asked);
  if (kernel === undefined) return pooledSampling(site.consumers[0]!, count);
  if (site.rank < 3) return undefined;
  const { patch } = site;
  return { count, map: patch === undefined ? kernel.input : patch.output, patch, patched: 'x' };
}
