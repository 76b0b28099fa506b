import { analyseChannels } from '../channels/analysis.js';
import { probeShapes } from '../runtime/shapes.js';
import { exactReduction } from './exact.js';
import { collectModelMoments } from './model-moments.js';
import { nameFilter } from './names.js';
import type { CondenseOptions } from './options.js';
import { ALL_FOLDS, batchesOf, type Prepared } from './prepare.js';
import { applyCut, type PassNote, type Reduced } from './reduced.js';

/** Reduces by `exact`: rounds over the whole graph until nothing more is found, since merged inputs make new duplicates behind them. */
export async function reduceExactly(prepared: Prepared, options: CondenseOptions): Promise<Reduced> {
  const evidence = options.evidence ?? 'weights';
  const passes: PassNote[] = [];
  let model = prepared.original;
  let analysis = prepared.analysis;
  const batches = batchesOf(prepared.data, ALL_FOLDS, () => 0);
  for (let round = 0; round <= prepared.original.graph.nodes.length; round++) {
    if (analysis.spaces.length === 0) break;
    const current: Prepared = { ...prepared, original: model, analysis };
    // Values of constant channels can be read off any row; the sample's own redundancy needs all of them.
    const few = evidence === 'data' ? batches : batches.slice(0, prepared.data.stack > 1 ? 4 : 1);
    const moments = await collectModelMoments(current, few, options);
    const reduction = await exactReduction(model, analysis, moments.all, evidence, prepared.blas);
    const cut = await applyCut(model, reduction);
    passes.push(...cut.passes);
    if (!cut.changed) break;
    model = cut.model;
    const shapes = await probeShapes(model, batches[0]!.feeds, prepared.session);
    analysis = analyseChannels(model, shapes, nameFilter(options.include, options.exclude));
  }
  const changed = passes.some((p) => p.changed);
  return { model: changed ? model : prepared.input, passes, warnings: [] };
}
