import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { chooseViews, condensingSites } from '../../src/channels/sites.js';
import type { ChannelAnalysis } from '../../src/channels/types.js';
import { exactReduction } from '../../src/condense/exact.js';
import { spanReduction } from '../../src/condense/span.js';
import { parameterCount } from '../../src/graph/edit.js';
import type { Model } from '../../src/graph/ir.js';
import { Blas } from '../../src/runtime/blas.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { foldBatchNormalization } from '../../passes/fold-batch-normalization.js';
import { refitInSequence } from '../../passes/refit.js';
import { randomKeep, siteMoments, unread } from '../conv.js';
import { analyse, CPU, cutOnly, outputsOf, randomFeeds, relativeDifference, summary } from '../dense.js';
import { plant, type Plant } from './plant.js';
import { convGraphs } from './random-conv-graph.js';

const blas = new Blas();
afterAll(() => blas.release());

/** The same graphs every time; FUZZ_RUNS and FUZZ_SEED look farther. */
const runs = {
  numRuns: Number(process.env['FUZZ_RUNS'] ?? 40),
  seed: Number(process.env['FUZZ_SEED'] ?? 1),
  endOnFailure: false,
};
const TIMEOUT = 600_000;
const ROWS = 2;
/** Rows that `span` is fitted on. */
const FITTED = 80;

/** `exact` until it finds nothing more. */
async function exactly(model: Model): Promise<Model> {
  let reduced = model;
  for (let round = 0; round <= model.graph.nodes.length; round++) {
    const analysis = await analyse(reduced, ROWS);
    if (analysis.spaces.length === 0) break;
    const moments = await siteMoments(reduced, analysis, randomFeeds(reduced, 8, 5));
    const result = await cutChannels.run(reduced, await exactReduction(reduced, analysis, moments, 'weights', blas));
    if (!result.changed) break;
    reduced = result.model;
  }
  return reduced;
}

/** One more channel that is redundant, or undefined where there is no place for one. */
async function planted(model: Model, at: number, kind: Plant): Promise<{ model: Model; twin: number } | undefined> {
  const analysis = await analyse(model, ROWS);
  const removable = analysis.spaces.flatMap((s) => [...s.channels]);
  if (removable.length === 0) return undefined;
  const channel = removable[at % removable.length]!;
  const wider = plant(model, analysis, channel, kind);
  // The twin stands behind its original.
  return wider === undefined ? undefined : { model: wider, twin: channel + 1 };
}

describe('random convolutional graphs', () => {
  it(
    'any choice of channels gives a model that loads, with outputs of the same shapes',
    { timeout: TIMEOUT },
    async () => {
      await fc.assert(
        fc.asyncProperty(convGraphs(), fc.nat(1000), fc.constantFrom(0, 0.5), async (model, seed, share) => {
          const analysis = await analyse(model, ROWS);
          const reduced = await cutOnly(model, analysis, randomKeep(analysis, seed, share));
          const [before, after] = [
            await outputsOf(model, randomFeeds(model, 3)),
            await outputsOf(reduced, randomFeeds(model, 3)),
          ];
          expect([...after].map(([name, v]) => [name, v.dims])).toEqual([...before].map(([name, v]) => [name, v.dims]));
          expect(parameterCount(reduced)).toBeLessThanOrEqual(parameterCount(model));
        }),
        runs,
      );
    },
  );

  it('without channels that nothing reads the outputs are the same', { timeout: TIMEOUT }, async () => {
    let dropped = 0;
    await fc.assert(
      fc.asyncProperty(convGraphs(), fc.nat(1000), fc.constantFrom(0, 0.6), async (model, seed, share) => {
        const analysis = await analyse(model, ROWS);
        const keep = randomKeep(analysis, seed, share);
        const wide = unread(model, analysis, keep);
        if (keep.includes(0)) dropped++;
        expect(await relativeDifference(wide, await cutOnly(wide, analysis, keep), randomFeeds(model, 3))).toBeLessThan(
          1e-4,
        );
      }),
      runs,
    );
    expect(dropped).toBeGreaterThan(runs.numRuns / 2);
  });

  it('folding BatchNormalization changes nothing', { timeout: TIMEOUT }, async () => {
    await fc.assert(
      fc.asyncProperty(convGraphs(), async (model) => {
        const { model: folded } = await foldBatchNormalization.run(model, undefined);
        expect(await relativeDifference(model, folded, randomFeeds(model, 3))).toBeLessThan(1e-4);
      }),
      runs,
    );
  });

  it('`exact` removes nothing from a graph that has nothing redundant', { timeout: TIMEOUT }, async () => {
    await fc.assert(
      fc.asyncProperty(convGraphs(), async (model) => {
        expect(await exactly(model)).toBe(model);
      }),
      runs,
    );
  });

  it('`exact` removes what is planted, all of it, and keeps the outputs', { timeout: TIMEOUT }, async () => {
    let total = 0;
    const picks = fc.array(
      fc.record({ at: fc.nat(50), kind: fc.constantFrom<Plant>('duplicate', 'scaled', 'constant', 'unread') }),
      { minLength: 1, maxLength: 3 },
    );
    await fc.assert(
      fc.asyncProperty(convGraphs(), picks, async (model, wanted) => {
        let redundant = model;
        for (const { at, kind } of wanted) {
          const next = await planted(redundant, at, kind);
          if (next === undefined) continue;
          redundant = next.model;
          total++;
        }
        const reduced = await exactly(redundant);
        expect(summary(await analyse(reduced, ROWS))).toEqual(summary(await analyse(model, ROWS)));
        expect(await relativeDifference(redundant, reduced, randomFeeds(model, 5))).toBeLessThan(1e-4);
      }),
      runs,
    );
    expect(total).toBeGreaterThan(runs.numRuns / 2);
  });

  it(
    '`span` that keeps everything changes nothing, and one that drops a duplicate nothing beyond float error',
    { timeout: TIMEOUT },
    async () => {
      let dropped = 0;
      await fc.assert(
        fc.asyncProperty(convGraphs(), fc.nat(50), fc.boolean(), async (model, at, patches) => {
          const views = async (m: Model): Promise<ChannelAnalysis> => {
            const analysis = await analyse(m, ROWS);
            return patches ? chooseViews(analysis, 1e9) : analysis;
          };
          const plain = await views(model);
          if (plain.spaces.length === 0) return;
          const whole = await span(model, plain, new Uint8Array(plain.channelCount).fill(1));
          expect(await relativeDifference(model, whole, randomFeeds(model, 5))).toBeLessThan(1e-5);

          const found = await planted(model, at, 'duplicate');
          if (found === undefined) return;
          const analysis = await views(found.model);
          const keep = new Uint8Array(analysis.channelCount).fill(1);
          // Of the twin only what can be removed.
          const twin = analysis.spaces.flatMap((s) => [...s.channels]).find((c) => c === found.twin);
          if (twin === undefined) return;
          // A copy is only known to be one where rows span the features.
          const moments = await siteMoments(found.model, analysis, randomFeeds(model, FITTED, 7));
          if (condensingSites(analysis).some((site) => moments(site).rows < 2 * site.features.length)) return;
          keep[twin] = 0;
          dropped++;
          const reduced = await span(found.model, analysis, keep);
          expect(await relativeDifference(found.model, reduced, randomFeeds(model, 5))).toBeLessThan(1e-4);
        }),
        runs,
      );
      expect(dropped).toBeGreaterThan(runs.numRuns / 4);
    },
  );
});

/** Absorption and refit for a choice of channels. */
async function span(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): Promise<Model> {
  const moments = await siteMoments(model, analysis, randomFeeds(model, FITTED, 7));
  const cut = await cutChannels.run(model, await spanReduction(model, analysis, keep, moments, blas));
  const batches = [0, 1, 2, 3].map((fold) => ({
    feeds: randomFeeds(model, FITTED / 4, 20 + fold),
    rows: Array.from({ length: FITTED / 4 }, (_, i) => (fold * FITTED) / 4 + i),
    fold,
  }));
  const result = await refitInSequence.run(cut.model, {
    ...{ original: model, analysis, keep, batches, folds: 4, stack: 1, session: CPU, blas },
    ...{ memory: 1e8, shapes: new Map(), probed: 1, positions: Infinity },
  });
  return result.model;
}
