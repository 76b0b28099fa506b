import { describe, expect, it } from 'vitest';
import { linearStreams } from '../../src/channels/linear-streams.js';
import { TRANSFORMERS } from '../attention-networks.js';
import { convModel, randomKeep, unread } from '../conv.js';
import { analyse, cutOnly, outputsOf, randomFeeds, relativeDifference, summary } from '../dense.js';

const ROWS = 2;
const EXAMPLES = Object.entries(TRANSFORMERS);
const CHOICES = [
  [1, 0.5],
  [2, 0.7],
  [3, 0],
] as const;

describe('transformers', () => {
  it.each(EXAMPLES)('%s: every node is condensable or refused', async (_, { model, verdict }) => {
    expect(summary(await analyse(model, ROWS))).toEqual(verdict);
  });

  it.each(EXAMPLES)('%s: any choice of channels loads, with outputs of the same shapes', async (_, { model }) => {
    const analysis = await analyse(model, ROWS);
    const before = await outputsOf(model, randomFeeds(model, ROWS));
    for (const [seed, share] of CHOICES) {
      const after = await outputsOf(
        await cutOnly(model, analysis, randomKeep(analysis, seed, share)),
        randomFeeds(model, ROWS),
      );
      expect([...after].map(([name, v]) => [name, v.dims])).toEqual([...before].map(([name, v]) => [name, v.dims]));
    }
  });

  it.each(EXAMPLES)('%s: without channels that nothing reads the outputs are the same', async (_, { model }) => {
    const analysis = await analyse(model, ROWS);
    for (const [seed, share] of CHOICES) {
      const keep = randomKeep(analysis, seed, share);
      const wide = unread(model, analysis, keep);
      // Another number of rows than the analysis has seen.
      const feeds = randomFeeds(model, ROWS + 3);
      expect(await relativeDifference(wide, await cutOnly(wide, analysis, keep), feeds)).toBeLessThan(1e-5);
    }
  });
});

describe('attention', () => {
  it('names the product in which queries and keys meet', async () => {
    const analysis = await analyse(TRANSFORMERS['separate projections']!.model, ROWS);
    const refusals = analysis.targets.filter((t) => ['m1', 'm2', 'm4'].includes(t.node.name)).map((t) => t.refusal);
    for (const refusal of refusals) {
      expect(refusal?.culprits).toEqual(['m4']);
      expect(refusal?.message).toContain("queries and keys meet in the product 'm4'");
    }
  });

  it('calls other products by what they are', async () => {
    const likeness = convModel([5, 4], (net) => {
      const points = net.linear('x', [4, 3]);
      const products = net.product(points, net.op('Transpose', [points], { perm: [0, 2, 1] }));
      return net.ops('TopK', [products, net.ints(2)], 2)[0]!;
    });
    const [found] = (await analyse(likeness, ROWS)).targets.map((t) => t.refusal);
    expect(found?.code).toBe('ATTENTION_QK');
    expect(found?.message).toContain("two activations meet in the product 'm2'");
  });

  it('leaves values linear: any factor passes, but positions differ', async () => {
    for (const name of ['separate projections', 'one head', 'one projection, taken apart by Split']) {
      const { spaces } = await analyse(TRANSFORMERS[name]!.model, ROWS);
      expect(spaces.map((s) => [s.homogeneity, s.uneven])).toEqual([['any', true]]);
    }
  });

  it('of a single head is a linear stream', async () => {
    expect(linearStreams(await analyse(TRANSFORMERS['one head']!.model, ROWS))).toHaveLength(1);
  });
});
