import { beforeAll, describe, expect, it } from 'vitest';
import {
  CondenseError,
  condense,
  inspect,
  type InspectedLayer,
  type InspectOptions,
  type Model,
} from '../../src/index.js';
import { symmetricEigen } from '../../src/linalg/eigen.js';
import { zeros, type Matrix } from '../../src/linalg/matrix.js';
import { buildModel, node } from '../build-model.js';
import { constant, outputsOf, weights } from '../dense.js';
import { normalRows, planted, smoothNetwork, writeNpz } from '../networks.js';
import { sharedFolder } from '../cli/cli.js';

const inside = sharedFolder();
const ROWS = normalRows(300);
let data: string[];
beforeAll(() => {
  data = [writeNpz(inside(), 'data.npz', { x: ROWS })];
});
const run = async (model: Model, options: Partial<InspectOptions> = {}) => inspect([model], { data, ...options });
const layersOf = async (model: Model): Promise<readonly InspectedLayer[]> => (await run(model)).models[0]!.layers;

/** E x xᵀ and the covariance of some values of a model over all rows, by plain loops; the values stand side by side as rows. */
async function plainMoments(model: Model, names: readonly string[]): Promise<{ G: Matrix; C: Matrix }> {
  const outputs = names.map((name) => ({ name, dtype: 'float32' as const, shape: undefined }));
  const values = await outputsOf({ ...model, graph: { ...model.graph, outputs } }, new Map([['x', ROWS]]));
  const n = values.get(names[0]!)!.dims[1]!;
  const [G, C] = [zeros(n, n), zeros(n, n)];
  for (const name of names) {
    const x = values.get(name)!.data as Float32Array;
    const rows = x.length / n;
    const mean = Float64Array.from({ length: n }, (_, i) => {
      let sum = 0;
      for (let r = 0; r < rows; r++) sum += x[r * n + i]! / rows;
      return sum;
    });
    for (let i = 0; i < n; i++)
      for (let j = 0; j < n; j++)
        for (let r = 0; r < rows; r++) {
          const [a, b] = [x[r * n + i]!, x[r * n + j]!];
          G.data[i * n + j]! += (a * b) / rows;
          C.data[i * n + j]! += ((a - mean[i]!) * (b - mean[j]!)) / rows;
        }
  }
  return { G, C };
}

/** The figures of `layer` from these moments, by their definitions. */
function expectFigures(layer: InspectedLayer, { G, C }: { G: Matrix; C: Matrix }): void {
  const n = G.rows;
  const { values } = symmetricEigen(C);
  const total = values.reduce((sum, v) => sum + v, 0);
  for (const { energy, rank } of layer.effectiveRank) {
    const held = (k: number): number => values.slice(0, k).reduce((sum, v) => sum + v, 0) / total;
    expect(held(rank)).toBeGreaterThanOrEqual(energy - 1e-6);
    expect(held(rank - 1)).toBeLessThan(energy + 1e-6);
  }
  for (const { cosine, share } of layer.collinear) {
    let count = 0;
    for (let i = 0; i < n; i++) {
      const near = Array.from({ length: n }, (_, j) => j).some(
        (j) => j !== i && Math.abs(G.data[i * n + j]!) >= cosine * Math.sqrt(G.data[i * n + i]! * G.data[j * n + j]!),
      );
      if (near && G.data[i * n + i]! > 0) count++;
    }
    expect(share).toBeCloseTo(count / n, 12);
  }
}

describe('inspect', () => {
  it('gives rank and collinear share by their definitions', async () => {
    const model = smoothNetwork({ hidden: 30 });
    const [first, second] = await layersOf(model);
    expect([first!.nodes, first!.channels]).toEqual([['fc1'], 30]);
    expectFigures(first!, await plainMoments(model, ['a1']));
    expectFigures(second!, await plainMoments(model, ['a2']));
    // Two inputs behind a smooth activation span little.
    expect(first!.effectiveRank[1]!.rank).toBeLessThan(15);
    expect(first!.collinear[0]!.share).toBeGreaterThan(0.3);
  });

  it('counts neurons that are dead, constant or provably redundant', async () => {
    const model = planted([
      [1, 0, 0.1],
      [2, 0, 0.2],
      [0, 1, 0],
      [1, 1, -50],
      [0, 0, 0.7],
      [1, -1, 0.3],
      [0, 0, -0.7],
    ]);
    const [layer] = await layersOf(model);
    // The fourth never fires, the last cannot: both are dead. The fifth is 0.7 on every row.
    expect(layer).toMatchObject({ channels: 7, dead: 2, constant: 1 });
    // The second is twice the first, the fifth and the last read nothing; that the fourth never fires only the sample shows.
    expect(layer!.exact).toBe(3);
    expect(layer!.collinear).toEqual([
      { cosine: 0.95, share: 2 / 7 },
      { cosine: 0.99, share: 2 / 7 },
    ]);
    expect(layer!.effectiveRank.at(-1)!.rank).toBe(3);
  });

  it('counts what exact removes in all of its rounds', async () => {
    // Neurons of the second layer differ in their weights, and are equal once the duplicates in front of them are one.
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 2] }],
      nodes: [
        node('Gemm', ['x', 'w', 'b'], ['h'], {}, { name: 'fc1' }),
        node('Tanh', ['h'], ['a']),
        node('Gemm', ['a', 'v', 'c'], ['k'], {}, { name: 'fc2' }),
        node('Tanh', ['k'], ['l']),
        node('Gemm', ['l', 'u', 'd'], ['y'], {}, { name: 'fc3' }),
      ],
      initializers: [
        constant('w', [2, 3], [1, 1, 0.5, 2, 2, -1]),
        constant('b', [3], [0.1, 0.1, 0.2]),
        // Columns (1, 2, 3), (2, 1, 3) and (1, 1, 1): sums over the duplicates are 3, 3 and 2.
        constant('v', [3, 3], [1, 2, 1, 2, 1, 1, 3, 3, 1]),
        constant('c', [3], [0, 0, 0.5]),
        weights('u', [3, 2]),
        weights('d', [2]),
      ],
      outputs: [{ name: 'y', shape: ['rows', 2] }],
    });
    expect((await layersOf(model)).map((l) => l.exact)).toEqual([1, 1]);
    const { report } = await condense(model, { data, method: 'exact' });
    expect(report.nodes.map((n) => n.before! - n.after!)).toEqual([1, 1, 0]);
  });

  it('adds up the places where a residual stream is read, and names all of its producers', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 2] }],
      nodes: [
        node('Gemm', ['x', 'w0', 'b0'], ['s'], {}, { name: 'in' }),
        node('Tanh', ['s'], ['t']),
        node('Gemm', ['t', 'w1', 'b1'], ['k'], {}, { name: 'inner' }),
        node('Tanh', ['k'], ['l']),
        node('Gemm', ['l', 'w2', 'b2'], ['f'], {}, { name: 'back' }),
        node('Add', ['s', 'f'], ['z']),
        node('Gemm', ['z', 'w3', 'b3'], ['y'], {}, { name: 'out' }),
      ],
      initializers: [
        ...[weights('w0', [2, 12]), weights('b0', [12]), weights('w1', [12, 9]), weights('b1', [9])],
        ...[weights('w2', [9, 12]), weights('b2', [12]), weights('w3', [12, 2]), weights('b3', [2])],
      ],
      outputs: [{ name: 'y', shape: ['rows', 2] }],
    });
    const [stream, block] = await layersOf(model);
    expect(stream!.nodes).toEqual(['in', 'back']);
    expectFigures(stream!, await plainMoments(model, ['t', 'z']));
    expect(block!.nodes).toEqual(['inner']);
    expectFigures(block!, await plainMoments(model, ['l']));
  });

  it('channels of a convolution are read at all of their positions', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 1, 4, 4] }],
      nodes: [
        node('Conv', ['x', 'w', 'b'], ['h'], { kernel_shape: [2, 2] }, { name: 'conv' }),
        node('Relu', ['h'], ['a']),
        node('Flatten', ['a'], ['f']),
        node('Gemm', ['f', 'v', 'c'], ['y'], {}, { name: 'fc' }),
      ],
      initializers: [
        constant('w', [4, 1, 2, 2], [1, -1, 0.5, 2, 2, -2, 1, 4, 0, 0, 0, 0, 1, 1, 1, 1]),
        constant('b', [4], [0.1, 0.2, 0.5, -50]),
        ...[weights('v', [36, 3]), weights('c', [3])],
      ],
      outputs: [{ name: 'y', shape: ['rows', 3] }],
    });
    const x = { dtype: 'float32' as const, dims: [100, 1, 4, 4], data: normalRows(800).data };
    const { models } = await run(model, { data: [writeNpz(inside(), 'images.npz', { x })] });
    // The second is twice the first, the third is 0.5 everywhere, the last never fires.
    expect(models[0]!.layers).toMatchObject([{ nodes: ['conv'], channels: 4, dead: 1, constant: 1, exact: 2 }]);
    const { collinear, effectiveRank } = models[0]!.layers[0]!;
    expect(collinear.map((c) => c.share)).toEqual([0.5, 0.5]);
    expect(effectiveRank.map((r) => r.rank)).toEqual([1, 1, 1]);
  });

  it('predicts errors that rise as the layer gets narrower', async () => {
    const report = await run(smoothNetwork({ hidden: 40 }));
    for (const { predicted } of report.models[0]!.layers) {
      expect(predicted.map((p) => [p.width, p.channels])).toEqual([
        [0.75, 30],
        [0.5, 20],
        [0.25, 10],
      ]);
      expect(predicted[0]!.nrmse).toBeGreaterThan(0);
      expect(predicted[1]!.nrmse).toBeGreaterThan(predicted[0]!.nrmse);
      expect(predicted[2]!.nrmse).toBeGreaterThan(predicted[1]!.nrmse);
      expect(predicted[2]!.nrmse).toBeLessThan(0.1);
    }
    // No row is kept for a check.
    expect(report.rows).toEqual({ fit: 300, validation: 75 });
    expect(report).toMatchObject({ schemaVersion: 1, provider: 'cpu', warnings: [] });
  });

  it('lists what is refused, with its reason and what can be done', async () => {
    const { models } = await run(smoothNetwork(), { exclude: ['fc1'] });
    expect(models[0]!.layers.map((l) => l.nodes)).toEqual([['fc2']]);
    expect(models[0]!.refused).toEqual([
      {
        node: 'fc1',
        opType: 'Gemm',
        width: 24,
        code: 'EXCLUDED',
        message: 'excluded by an option',
        culprits: ['fc1'],
        limit: 'true',
        why: 'it was asked for',
        advice: expect.stringContaining('--exclude') as string,
      },
      expect.objectContaining({ node: 'fc3', code: 'GRAPH_OUTPUT', culprits: ['y'] }),
    ]);
    expect(models[0]!.refused[1]).not.toHaveProperty('advice');
  });

  it('a model without a layer to condense has refusals alone', async () => {
    const model = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 2] }],
      nodes: [node('Gemm', ['x', 'w', 'b'], ['y'], {}, { name: 'only' })],
      initializers: [weights('w', [2, 4]), weights('b', [4])],
      outputs: [{ name: 'y', shape: ['rows', 4] }],
    });
    const { models } = await run(model);
    expect(models[0]).toMatchObject({ layers: [], refused: [{ node: 'only' }], parameters: 12 });
  });

  it('several models: the figures of each alone, without predictions', async () => {
    const spread = [1.0, 0.7, 0.3, -0.4, -0.9, 0.2].map((t): [number, number, number] => [
      Math.cos(3 * t),
      Math.sin(3 * t),
      0.2,
    ]);
    const condensed = spread.map(([p, q], i): [number, number, number] => (i < 4 ? [1, 0.01 * i, 0.2] : [p, q, 0.2]));
    const [early, late] = [planted(spread), planted(condensed)];
    const { models } = await inspect([early, late], { data });
    expect(models).toHaveLength(2);
    for (const [i, model] of [early, late].entries())
      expect(models[i]!.layers).toEqual((await layersOf(model)).map((layer) => ({ ...layer, predicted: [] })));
    const [before, after] = models.map(({ layers }) => layers[0]!);
    expect(after!.collinear[1]!.share).toBeGreaterThan(before!.collinear[1]!.share);
    expect(after!.effectiveRank[0]!.rank).toBeLessThan(before!.effectiveRank[0]!.rank);
  });

  it('models of other layers cannot be compared', async () => {
    const error: unknown = await inspect(
      [
        smoothNetwork(),
        planted([
          [1, 2, 3],
          [3, 2, 1],
        ]),
      ],
      { data },
    ).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CondenseError);
    expect((error as CondenseError).diagnostic).toMatchObject({ code: 'LAYERS_DIFFER', exitCode: 2, where: 'model 2' });
    expect((error as CondenseError).message).toMatch(/layer 2 is none, in the first model fc2/);
  });

  it('says when rows are few, and where each step takes place', async () => {
    const stages = new Set<string>();
    const { warnings, seconds } = await run(smoothNetwork({ hidden: 100 }), { onProgress: (e) => stages.add(e.stage) });
    expect(warnings.map((w) => w.code)).toEqual(['ROWS_ARE_FEW']);
    expect([...stages]).toEqual(['calibrate', 'select', 'plan', 'inspect']);
    expect(Object.keys(seconds)).toEqual(['prepare', 'exact', 'statistics', 'curves', 'layers', 'total']);
  });
});
