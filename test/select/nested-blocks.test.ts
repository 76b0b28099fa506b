import { afterAll, describe, expect, it } from 'vitest';
import { chooseViews } from '../../src/channels/sites.js';
import { keepMask } from '../../src/channels/keep.js';
import { spanReduction } from '../../src/condense/span.js';
import { readWeight } from '../../src/channels/weights.js';
import type { Model } from '../../src/graph/ir.js';
import type { Matrix } from '../../src/linalg/matrix.js';
import { Blas } from '../../src/runtime/blas.js';
import { nestedBlockOrder, type BlockSite } from '../../src/select/nested-blocks.js';
import { nestedOrder } from '../../src/select/nested-order.js';
import { chooseChannels, orderSpace, type OrderedSpace } from '../../src/select/ordered-space.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { convModel, siteMoments } from '../conv.js';
import { EXAMPLES } from '../conv-networks.js';
import { analyse, outputsOf, randomFeeds } from '../dense.js';
import { gaussSolve, identity, multiply, randomCovariance, randomMatrix, subsetLoss, transposed } from '../matrices.js';

const blas = new Blas();
afterAll(() => blas.release());

type Mode = 'eliminate' | 'select';

/** One consumer input: covariance, weights, and how many features each channel has there. */
interface Problem {
  readonly C: Matrix;
  readonly W: Matrix;
  readonly sizes: readonly number[];
}

function problem(sizes: readonly number[], seed: number): Problem {
  const n = sizes.reduce((a, b) => a + b, 0);
  return { sizes, C: randomCovariance(n, seed), W: randomMatrix(3, n, seed + 1) };
}

const startsOf = (sizes: readonly number[]): Int32Array =>
  Int32Array.from([0, ...sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b, 0))]);

function siteOf({ C, W, sizes }: Problem, mode: Mode): BlockSite {
  const A = multiply(transposed(W), W);
  const starts = startsOf(sizes);
  return mode === 'eliminate'
    ? { M: gaussSolve(C, identity(C.rows)), N: A, starts }
    : { M: C, N: multiply(multiply(C, A), C), starts };
}

/** What is lost, over all inputs, with these channels alone. */
const lossOf = (problems: readonly Problem[], channels: readonly number[]): number =>
  problems.reduce((sum, { C, W, sizes }) => {
    const starts = startsOf(sizes);
    const kept = channels.flatMap((c) => Array.from({ length: sizes[c]! }, (_, i) => starts[c]! + i));
    return sum + subsetLoss(C, W, kept);
  }, 0);

/** The same greedy choice with every loss computed from scratch. */
function bruteForce(problems: readonly Problem[], mode: Mode): { order: number[]; cost: number[] } {
  let open = problems[0]!.sizes.map((_, i) => i);
  const order: number[] = [];
  const cost: number[] = [];
  while (open.length > 0) {
    const scored = open.map((c) => {
      const rest = open.filter((other) => other !== c);
      const change =
        mode === 'eliminate'
          ? lossOf(problems, rest) - lossOf(problems, open)
          : lossOf(problems, order) - lossOf(problems, [...order, c]);
      return { c, change };
    });
    const best = scored.reduce((a, b) => ((mode === 'eliminate' ? b.change < a.change : b.change > a.change) ? b : a));
    order.push(best.c);
    cost.push(best.change);
    open = open.filter((c) => c !== best.c);
  }
  return { order, cost };
}

describe('greedy orders of channels with several features', () => {
  const cases: [string, number[][]][] = [
    ['equal blocks', [[4, 4, 4, 4, 4]]],
    ['blocks of different sizes', [[1, 3, 2, 5, 1, 2]]],
    [
      'two inputs',
      [
        [2, 2, 2, 2],
        [3, 3, 3, 3],
      ],
    ],
    [
      'an input that does not read every channel',
      [
        [2, 2, 2, 2, 2],
        [0, 1, 0, 3, 2],
      ],
    ],
  ];
  for (const mode of ['eliminate', 'select'] as const) {
    it.each(cases)(`${mode}: each step costs what least squares loses (%s)`, (_, sizes) => {
      const problems = sizes.map((s, i) => problem(s, 10 + i));
      const found = nestedBlockOrder(
        problems.map((p) => siteOf(p, mode)),
        mode,
      );
      const wanted = bruteForce(problems, mode);
      expect([...found.order]).toEqual(wanted.order);
      found.cost.forEach((c, i) => {
        expect(Math.abs(c - wanted.cost[i]!)).toBeLessThan(1e-8 * lossOf(problems, []));
      });
    });

    it(`${mode}: single features give the order of the other routine`, async () => {
      const problems = [problem(new Array<number>(24).fill(1), 3), problem(new Array<number>(24).fill(1), 5)];
      const sites = problems.map((p) => siteOf(p, mode));
      const blocks = nestedBlockOrder(sites, mode);
      const single = await nestedOrder(sites, { mode, blas });
      expect([...blocks.order]).toEqual([...single.order]);
      blocks.cost.forEach((c, i) => {
        expect(Math.abs(c - single.cost[i]!)).toBeLessThan(1e-8 * lossOf(problems, []));
      });
    });
  }

  it('a channel that nothing new depends on costs nothing: copies and silent channels go first', () => {
    // Channel 1 repeats channel 0, channel 3 is silent; the ridge makes C invertible.
    const X = randomMatrix(40, 8, 1);
    for (let r = 0; r < 40; r++) {
      for (let i = 0; i < 2; i++) {
        X.data[r * 8 + 2 + i] = X.data[r * 8 + i]!;
        X.data[r * 8 + 6 + i] = 0;
      }
    }
    const C = multiply(transposed(X), X);
    for (let i = 0; i < 8; i++) C.data[i * 9]! += 1e-6;
    const { order, cost } = nestedBlockOrder(
      [siteOf({ C, W: randomMatrix(3, 8, 2), sizes: [2, 2, 2, 2] }, 'eliminate')],
      'eliminate',
    );
    expect([...order.slice(0, 2)].sort()).not.toContain(2);
    expect([...order.slice(0, 2)]).toContain(3);
    expect(cost[0]! + cost[1]!).toBeLessThan(1e-4);
    expect(cost[2]!).toBeGreaterThan(1);
  });

  it('nothing to order gives an empty order', () => {
    expect([...nestedBlockOrder([], 'eliminate').order]).toEqual([]);
  });
});

/** Σ over sites of what is lost with the kept channels, from the sites' own C and W. */
function spaceLoss({ sites, ranking }: OrderedSpace, width: number): number {
  const kept = new Set(ranking.slice(0, width));
  return sites.reduce((sum, { C, W, starts }) => {
    const columns = Array.from({ length: C.rows }, (_, f) => f).filter((f) =>
      kept.has(starts.findIndex((s, i) => s <= f && f < starts[i + 1]!)),
    );
    return sum + subsetLoss(C, W, columns);
  }, 0);
}

describe('spaces of convolutional networks', () => {
  const names = [
    'plain convolutions',
    'SAME_UPPER',
    'identity shortcuts',
    'a U-Net',
    'Flatten with the channels outside',
    'Split in named parts, read at different places',
    'depthwise with two outputs for each channel',
  ];
  for (const view of ['patches', 'channels'] as const) {
    it.each(names)(`the losses of all widths are those of least squares on ${view}: %s`, async (name) => {
      const { model } = EXAMPLES[name]!;
      const plain = await analyse(model, 2);
      const analysis = view === 'patches' ? chooseViews(plain, 1e9) : plain;
      const moments = await siteMoments(model, analysis, randomFeeds(model, 60));
      for (const space of analysis.spaces) {
        for (const mode of ['eliminate', 'cholesky'] as const) {
          const ordered = await orderSpace(model, space, moments, mode, blas);
          expect([...ordered.ranking].sort((a, b) => a - b)).toEqual([...space.channels.keys()]);
          const whole = spaceLoss(ordered, 0);
          ordered.loss.forEach((loss, width) => {
            // The selection carries a small ridge.
            expect(Math.abs(loss - spaceLoss(ordered, width))).toBeLessThan(1e-4 * whole);
          });
          for (const width of [0, 1, space.channels.length])
            expect(await chooseChannels(ordered, width, blas)).toHaveLength(width);
        }
      }
    });
  }
});

describe('absorption on patches', () => {
  /** Mean over rows and positions of the squared difference, summed over channels. */
  async function squaredError(a: Model, b: Model, rows: number): Promise<number> {
    const feeds = randomFeeds(a, rows);
    const [x, y] = [[...(await outputsOf(a, feeds)).values()][0]!, [...(await outputsOf(b, feeds)).values()][0]!];
    const [p, q] = [x.data as Float32Array, y.data as Float32Array];
    return (p.reduce((sum, v, i) => sum + (v - q[i]!) ** 2, 0) / p.length) * x.dims[1]!;
  }

  it('loses on the fitted rows what least squares says, borders included', async () => {
    const model = convModel([3, 6, 6], (net) =>
      net.conv(net.op('Sigmoid', [net.conv('x', [3, 6])]), [6, 3], {
        attributes: { pads: [1, 2, 0, 1], strides: [1, 2] },
      }),
    );
    const analysis = chooseViews(await analyse(model, 2), 1e9);
    const rows = 80;
    const moments = await siteMoments(model, analysis, randomFeeds(model, rows));
    const [space] = analysis.spaces;
    const keep = keepMask(analysis, new Map([[0, space!.channels.slice(0, 3)]]));
    const cut = await cutChannels.run(model, await spanReduction(model, analysis, keep, moments, blas));

    const ordered = await orderSpace(model, space!, moments, 'eliminate', blas);
    const [{ C, W, starts }] = ordered.sites as [OrderedSpace['sites'][number]];
    // The rows of W are scaled by 1 / (σ √outputs).
    const variance = multiply(multiply(W, C), transposed(W));
    const plainW = readWeight(model, space!.consumers[0]!);
    expect(variance.data.filter((_, i) => i % 4 === 0).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    const kept = Array.from({ length: starts[3]! }, (_, i) => i);
    const wanted = subsetLoss(C, plainW, kept);
    expect(Math.abs((await squaredError(model, cut.model, rows)) / wanted - 1)).toBeLessThan(1e-3);
  });
});
