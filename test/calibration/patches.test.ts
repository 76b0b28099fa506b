import { describe, expect, it } from 'vitest';
import type { MomentRequest } from '../../src/calibration/instrument.js';
import { Moments } from '../../src/calibration/moments.js';
import { drawPositions, type Sampling } from '../../src/calibration/positions.js';
import { streamMoments, type Batch } from '../../src/calibration/stream.js';
import { chooseViews, condensingSites } from '../../src/channels/sites.js';
import type { Consumer, Kernel } from '../../src/channels/types.js';
import { held, readBias, readWeight } from '../../src/channels/weights.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { elementCount } from '../../src/graph/tensor.js';
import { convModel, siteMoments } from '../conv.js';
import { EXAMPLES } from '../conv-networks.js';
import { analyse, CPU, outputsOf, randomFeeds, streamGraph } from '../dense.js';

const CHANNELS = 3;
const OUTPUTS = 2;

/** The geometries: name, input lengths, kernel, attributes. */
const GEOMETRIES: [string, number[], number[], Record<string, number[] | string>][] = [
  ['1-D', [11], [3], { strides: [2], pads: [2, 1] }],
  ['2-D', [7, 6], [3, 2], { strides: [2, 1], dilations: [1, 2], pads: [1, 0, 2, 2] }],
  ['2-D, SAME_LOWER', [7, 6], [4, 2], { auto_pad: 'SAME_LOWER', strides: [3, 1] }],
  ['3-D', [4, 3, 5], [2, 1, 3], { pads: [1, 0, 1, 0, 0, 1] }],
];

/** x → Relu → h → Conv → y; both are outputs. */
function network(
  input: readonly number[],
  kernel: number[],
  attributes: Record<string, number[] | string>,
  batch?: number,
): Model {
  return convModel(
    [CHANNELS, ...input],
    (net) => {
      const h = net.op('Relu', ['x']);
      return [h, net.conv(h, [CHANNELS, OUTPUTS], { kernel, attributes })];
    },
    { batch: batch ?? 'rows' },
  );
}

/** Rows of the matrices that a request means: x and z at the drawn positions, taps by their definition. */
function matrices(
  h: NumericArray,
  y: NumericArray,
  kernel: Kernel,
  positions: Int32Array,
  patches: boolean,
): { X: number[][]; Z: number[][] } {
  const X: number[][] = [];
  const Z: number[][] = [];
  const digits = (index: number, lengths: readonly number[]): number[] =>
    lengths.map((n, i) => Math.floor(index / elementCount(lengths.slice(i + 1))) % n);
  const at = (array: NumericArray, row: number, channel: number, place: readonly number[]): number => {
    const lengths = array.dims.slice(2);
    if (place.some((p, i) => p < 0 || p >= lengths[i]!)) return 0;
    const flat = place.reduce((sum, p, i) => sum * lengths[i]! + p, row * array.dims[1]! + channel);
    return Number(array.data[flat]);
  };
  for (let row = 0; row < h.dims[0]!; row++) {
    for (const position of positions) {
      const place = digits(position, patches ? kernel.output : kernel.input);
      const taps = patches ? elementCount(kernel.shape) : 1;
      const features: number[] = [];
      for (let c = 0; c < CHANNELS; c++) {
        for (let t = 0; t < taps; t++) {
          const tap = digits(t, kernel.shape);
          const from = place.map((p, i) =>
            patches ? p * kernel.strides[i]! + tap[i]! * kernel.dilations[i]! - kernel.padsBegin[i]! : p,
          );
          features.push(at(h, row, c, from));
        }
      }
      X.push(features);
      if (patches) Z.push(Array.from({ length: OUTPUTS }, (_, o) => at(y, row, o, place)));
    }
  }
  return { X, Z };
}

/** Second moments of rows, from scratch. */
function moments(A: number[][], B: number[][]): Float64Array {
  const [n, m] = [A[0]!.length, B[0]!.length];
  const result = new Float64Array(n * m);
  A.forEach((a, r) => {
    for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) result[i * m + j]! += (a[i]! * B[r]![j]!) / A.length;
  });
  return result;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (v, i) => Math.abs(v - b[i]!)));
};

describe('moments of maps', () => {
  const cases = GEOMETRIES.flatMap(([name, ...rest]) =>
    (['patches', 'channels'] as const).flatMap((what) =>
      [4, Infinity].flatMap((count) => [1, 3].map((stack) => ({ name, what, count, stack, rest }))),
    ),
  );

  it.each(cases)('$name: $what at $count positions, stacked $stack', async ({ what, count, stack, rest }) => {
    const fixed = stack > 1;
    const model = network(...rest, fixed ? 1 : undefined);
    const kernel = (await analyse(model, fixed ? 1 : 2)).consumers[0]!.kernel!;
    const patches = what === 'patches';
    const sampling: Sampling = {
      count,
      map: patches ? kernel.output : kernel.input,
      patch: patches ? kernel : undefined,
      patched: 'x',
    };
    const rank = 2 + kernel.shape.length;
    const taps = patches ? elementCount(kernel.shape) : 1;
    const request: MomentRequest = {
      key: 'k',
      x: { value: 'Relu1', axis: 1, rank, features: CHANNELS * taps, dtype: 'float32' },
      // Patches correspond to positions of the output.
      ...(patches ? { z: { value: 'c1', axis: 1, rank, features: OUTPUTS, dtype: 'float32' as const } } : {}),
      sampling,
    };
    const batches: Batch[] = Array.from({ length: 5 }, (_, i) => ({
      feeds: randomFeeds(model, 4, 20 + i),
      rows: Array.from({ length: fixed ? 1 : 4 }, (_, r) => r),
      fold: i < 2 ? 0 : 1,
    }));
    const result = await streamMoments(streamGraph(model), [request], batches, { ...CPU, folds: 2, stack });
    for (const fold of [0, 1]) {
      const X: number[][] = [];
      const Z: number[][] = [];
      for (const [i, batch] of batches.entries()) {
        if (batch.fold !== fold) continue;
        const values = await outputsOf(model, batch.feeds);
        const part = matrices(values.get('Relu1')!, values.get('c1')!, kernel, drawPositions(sampling, i), patches);
        X.push(...part.X);
        Z.push(...part.Z);
      }
      const found = result.moments.get('k')![fold]!;
      expect(found.rows).toBe(X.length);
      expect(largest(found.xx(false).data, moments(X, X))).toBeLessThan(1e-5);
      expect(
        largest(
          found.meanX(),
          moments(
            X,
            X.map(() => [1]),
          ),
        ),
      ).toBeLessThan(1e-5);
      if (!patches) continue;
      expect(largest(found.zx(false).data, moments(Z, X))).toBeLessThan(1e-5);
      expect(
        largest(
          found.meanZ(),
          moments(
            Z,
            Z.map(() => [1]),
          ),
        ),
      ).toBeLessThan(1e-5);
      expect(
        largest(
          found.zz(false),
          Array.from({ length: OUTPUTS }, (_, o) => moments(Z, Z)[o * OUTPUTS + o]!),
        ),
      ).toBeLessThan(1e-5);
    }
  });

  it('each batch takes other positions where not all are taken', async () => {
    const model = network([9, 9], [1, 1], {});
    const kernel = (await analyse(model, 2)).consumers[0]!.kernel!;
    const request = (count: number): MomentRequest => ({
      key: 'k',
      x: { value: 'Relu1', axis: 1, rank: 4, features: CHANNELS, dtype: 'float32' },
      sampling: { count, map: kernel.input, patch: undefined, patched: 'x' },
    });
    const feeds = randomFeeds(model, 1);
    const batches = Array.from({ length: 400 }, (): Batch => ({ feeds, rows: [0], fold: 0 }));
    const mean = async (count: number, list: Batch[]): Promise<Float64Array> =>
      Moments.total(
        (await streamMoments(streamGraph(model), [request(count)], list, { ...CPU, folds: 1, stack: 1 })).moments.get(
          'k',
        )!,
      ).meanX();
    // The same image again and again: its samples converge to the mean over the whole map only if they differ.
    const whole = await mean(Infinity, batches.slice(0, 1));
    expect(largest(await mean(2, batches.slice(0, 1)), whole)).toBeGreaterThan(0.05);
    expect(largest(await mean(2, batches), whole)).toBeLessThan(0.05);
  });
});

describe('a weight on patches', () => {
  /** y = W x + b, as means over all positions. */
  async function expectExplained(model: Model, consumer: Consumer, rows: number): Promise<void> {
    const analysis = chooseViews(await analyse(model, rows), Infinity);
    const site = condensingSites(analysis).find((s) => s.consumers.some((c) => c.output === consumer.output));
    if (site === undefined) return;
    const patched = site.consumers.find((c) => c.output === consumer.output)!;
    const outputs = held(model.graph, patched.weight).dims[patched.outputWeightAxis]!;
    const W = readWeight(model, patched);
    const b = readBias(model, patched, outputs);
    const feeds = randomFeeds(model, rows);
    const mean = (await siteMoments(model, analysis, feeds))(site).meanX();
    const shown = {
      ...model,
      graph: { ...model.graph, outputs: [{ name: patched.output, dtype: 'float32' as const, shape: undefined }] },
    };
    const y = (await outputsOf(shown, feeds)).get(patched.output)!;
    const inner = elementCount(y.dims.slice(2));
    const wanted = new Float64Array(outputs);
    (y.data as Float32Array).forEach(
      (v, i) => (wanted[Math.floor(i / inner) % outputs]! += v / (y.data.length / outputs)),
    );
    const found = b.map((v, o) => mean.reduce((sum, m, f) => sum + W.data[o * W.cols + f]! * m, v));
    expect(largest(found, wanted)).toBeLessThan(1e-5);
  }

  const convolutional = Object.entries(EXAMPLES).filter(([, { model }]) =>
    model.graph.nodes.some((n) => n.opType === 'Conv'),
  );
  it.each(convolutional)('explains what the convolution computes: %s', async (_, { model }) => {
    const { consumers } = await analyse(model, 2);
    let explained = 0;
    for (const consumer of consumers) {
      if (consumer.kernel === undefined || consumer.kernel.transposed) continue;
      await expectExplained(model, consumer, 2);
      explained++;
    }
    expect(explained).toBeGreaterThan(0);
  });
});
