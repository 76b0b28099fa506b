import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import type { ChannelAnalysis } from '../../src/channels/types.js';
import { exactReduction } from '../../src/condense/exact.js';
import { spanReduction } from '../../src/condense/span.js';
import { parameterCount } from '../../src/graph/edit.js';
import type { Model } from '../../src/graph/ir.js';
import { Blas } from '../../src/runtime/blas.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { refitInSequence } from '../../passes/refit.js';
import { analyse, CPU, cutOnly, momentsOf, outputsOf, randomFeeds, relativeDifference, summary } from '../dense.js';
import { plant, type Plant } from './plant.js';
import { denseGraphs } from './random-graph.js';

const blas = new Blas();
afterAll(() => blas.release());

/** The same graphs every time; FUZZ_RUNS and FUZZ_SEED look farther. */
const runs = {
  numRuns: Number(process.env['FUZZ_RUNS'] ?? 60),
  seed: Number(process.env['FUZZ_SEED'] ?? 1),
  endOnFailure: false,
};

/** `exact` until it finds nothing more. */
async function exactly(model: Model): Promise<Model> {
  let reduced = model;
  for (let round = 0; round <= model.graph.nodes.length; round++) {
    const analysis = await analyse(reduced);
    if (analysis.spaces.length === 0) break;
    const moments = await momentsOf(reduced, analysis, randomFeeds(reduced, 50, 5));
    const result = await cutChannels.run(reduced, await exactReduction(reduced, analysis, moments, 'weights', blas));
    if (!result.changed) break;
    reduced = result.model;
  }
  return reduced;
}

/** Redundant channels planted one after the other; where one is impossible, the next is tried. */
async function planted(
  model: Model,
  picks: readonly { at: number; kind: Plant }[],
): Promise<{ model: Model; count: number }> {
  let result = model;
  let count = 0;
  for (const { at, kind } of picks) {
    const analysis = await analyse(result);
    const removable = analysis.spaces.flatMap((s) => [...s.channels]);
    const next = removable.length === 0 ? undefined : plant(result, analysis, removable[at % removable.length]!, kind);
    if (next === undefined) continue;
    result = next;
    count++;
  }
  return { model: result, count };
}

const picks = fc.array(
  fc.record({ at: fc.nat(50), kind: fc.constantFrom<Plant>('duplicate', 'scaled', 'constant', 'unread') }),
  { minLength: 1, maxLength: 4 },
);

describe('random dense graphs', () => {
  it('any choice of channels gives a model that loads, with outputs of the same shapes', async () => {
    await fc.assert(
      fc.asyncProperty(denseGraphs(), fc.array(fc.boolean(), { minLength: 7, maxLength: 7 }), async (model, mask) => {
        const analysis = await analyse(model);
        const reduced = await cutOnly(model, analysis, someKept(analysis, mask));
        const [before, after] = [
          await outputsOf(model, randomFeeds(model, 4)),
          await outputsOf(reduced, randomFeeds(model, 4)),
        ];
        expect([...after].map(([name, v]) => [name, v.dims])).toEqual([...before].map(([name, v]) => [name, v.dims]));
        expect(parameterCount(reduced)).toBeLessThanOrEqual(parameterCount(model));
      }),
      runs,
    );
  });

  it('`exact` removes nothing from a graph that has nothing redundant', async () => {
    await fc.assert(
      fc.asyncProperty(denseGraphs(), async (model) => {
        expect(await exactly(model)).toBe(model);
      }),
      runs,
    );
  });

  it('`exact` removes what is planted, all of it, and keeps the outputs', async () => {
    let total = 0;
    await fc.assert(
      fc.asyncProperty(denseGraphs(), picks, async (model, wanted) => {
        const { model: redundant, count } = await planted(model, wanted);
        total += count;
        const reduced = await exactly(redundant);
        expect(summary(await analyse(reduced))).toEqual(summary(await analyse(model)));
        expect(await relativeDifference(redundant, reduced, randomFeeds(model, 40))).toBeLessThan(1e-4);
      }),
      runs,
    );
    expect(total).toBeGreaterThan(runs.numRuns / 2);
  });

  it('`span` that keeps everything changes nothing, and one that drops a duplicate nothing beyond float error', async () => {
    let dropped = 0;
    await fc.assert(
      fc.asyncProperty(denseGraphs(), fc.nat(50), async (model, at) => {
        const plain = await analyse(model);
        if (plain.spaces.length === 0) return;
        expect((await span(model, plain, new Uint8Array(plain.channelCount).fill(1))).model).toBe(model);

        const { model: redundant } = await planted(model, [{ at, kind: 'duplicate' }]);
        const analysis = await analyse(redundant);
        const keep = new Uint8Array(analysis.channelCount).fill(1);
        const removable = plain.spaces.flatMap((s) => [...s.channels]);
        const original = removable[at % removable.length]!;
        // The twin stands behind its original; channels in front of it were not renumbered.
        keep[original + 1] = 0;
        dropped++;
        const { model: reduced } = await span(redundant, analysis, keep);
        expect(await relativeDifference(redundant, reduced, randomFeeds(model, 40))).toBeLessThan(1e-4);
      }),
      runs,
    );
    expect(dropped).toBeGreaterThan(runs.numRuns / 2);
  });
});

/** A mask from random bits; the first channel of a space stays where the analysis keeps none. */
function someKept(analysis: ChannelAnalysis, bits: readonly boolean[]): Uint8Array {
  const keep = Uint8Array.from({ length: analysis.channelCount }, (_, c) =>
    bits[(c * 3) % bits.length] === true ? 1 : 0,
  );
  for (const { channels, least } of analysis.spaces) if (least > 0) keep[channels[0]!] = 1;
  return keep;
}

/** Absorption and refit for a choice of channels. */
async function span(model: Model, analysis: ChannelAnalysis, keep: Uint8Array): Promise<{ model: Model }> {
  const moments = await momentsOf(model, analysis, randomFeeds(model, 300, 7));
  const cut = await cutChannels.run(model, await spanReduction(model, analysis, keep, moments, blas));
  const batches = [0, 1, 2, 3].map((fold) => ({
    feeds: randomFeeds(model, 100, 20 + fold),
    rows: Array.from({ length: 100 }, (_, i) => fold * 100 + i),
    fold,
  }));
  return refitInSequence.run(cut.model, {
    ...{ original: model, analysis, keep, batches, folds: 4, stack: 1, session: CPU, blas },
    ...{ memory: 1e8, shapes: new Map(), probed: 1, positions: undefined },
  });
}
