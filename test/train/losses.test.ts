import { describe, expect, it } from 'vitest';
import { skeleton } from '../../src/calibration/instrument.js';
import { makeNode } from '../../src/graph/attributes.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import type { Node } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { withSession } from '../../src/runtime/session.js';
import { lossNodes, type OutputLoss } from '../../src/train/losses.js';
import { buildModel } from '../build-model.js';
import { CPU } from '../dense.js';
import { normals } from '../matrices.js';

const [ROWS, COLUMNS] = [6, 4];
const next = normals(8);
const values = (scale: number): Float64Array => Float64Array.from({ length: ROWS * COLUMNS }, () => scale * next());
const [y, t] = [values(2), values(2)];
const deviations = Float64Array.of(0.5, 2, 1, 0);

/** Loss and gradient as the runtime computes them. */
async function computed(
  loss: OutputLoss,
  [at, wanted] = [y, t],
  { dims = [ROWS, COLUMNS], opset = 17 } = {},
): Promise<{ loss: number; gradient: Float32Array }> {
  const nodes: Node[] = [];
  const initializers: Tensor[] = [];
  const write = {
    add: (opType: string, inputs: readonly string[], attributes: Record<string, number | readonly number[]> = {}) => {
      nodes.push(makeNode(opType, [...inputs], [`v${nodes.length}`], attributes));
      return `v${nodes.length - 1}`;
    },
    constant: (data: Float64Array, dims: readonly number[]) => {
      initializers.push(floatTensor(`c${initializers.length}`, dims, 'float32', data));
      return `c${initializers.length - 1}`;
    },
  };
  const made = lossNodes(loss, 't', dims, write);
  const gradient = made.gradient(write);
  const model = skeleton(buildModel({ inputs: [], nodes: [], outputs: [], opset }), {
    nodes,
    initializers,
    inputs: ['y', 't'].map((name) => ({ name, dtype: 'float32' as const, rank: dims.length })),
    outputs: [made.loss, gradient].map((name) => ({ name, dtype: 'float32' as const })),
  });
  const array = (data: Float64Array): NumericArray => ({
    dtype: 'float32',
    dims,
    data: Float32Array.from(data),
  });
  const run = await withSession(model, CPU, (session) =>
    session.run(
      new Map([
        ['y', array(at)],
        ['t', array(wanted)],
      ]),
    ),
  );
  return { loss: (run.get(made.loss)!.data as Float32Array)[0]!, gradient: run.get(gradient)!.data as Float32Array };
}

const softmax = (row: Float64Array): Float64Array => {
  const e = row.map(Math.exp);
  const sum = e.reduce((a, b) => a + b);
  return e.map((v) => v / sum);
};

/** The definitions, in double. */
const expected: Record<string, (y: Float64Array) => number> = {
  squared: (v) => mean((e) => e * e)(v),
  huber: (v) => mean((e) => (Math.abs(e) <= 1 ? e * e : 2 * Math.abs(e) - 1))(v),
  kl: (v) => {
    let sum = 0;
    for (let r = 0; r < ROWS; r++) {
      const row = (x: Float64Array): Float64Array => softmax(x.slice(r * COLUMNS, (r + 1) * COLUMNS).map((z) => z / 3));
      const [p, q] = [row(t), row(v)];
      p.forEach((pi, c) => (sum += pi * Math.log(pi / q[c]!)));
    }
    return (9 * sum) / ROWS;
  },
};

function mean(of: (error: number) => number): (y: Float64Array) => number {
  return (v) =>
    v.reduce((sum, value, i) => {
      const d = deviations[i % COLUMNS]!;
      return sum + (d === 0 ? 0 : of((value - t[i]!) / d));
    }, 0) / v.length;
}

describe.each<[string, OutputLoss]>([
  ['squared', { kind: 'squared', output: 'y', of: 'y', deviations, weight: 0.5 }],
  ['huber', { kind: 'huber', output: 'y', of: 'y', deviations, weight: 0.5 }],
  ['kl', { kind: 'kl', output: 'y', of: 'y', axis: -1, temperature: 3, weight: 0.5 }],
])('%s', (kind, loss) => {
  it('is what its definition says', async () => {
    expect((await computed(loss)).loss).toBeCloseTo(0.5 * expected[kind]!(y), 5);
  });

  it('has the slope of that', async () => {
    const { gradient } = await computed(loss);
    const h = 1e-5;
    y.forEach((_, i) => {
      const moved = (by: number): number => expected[kind]!(y.map((v, k) => (k === i ? v + by : v)));
      expect(gradient[i]).toBeCloseTo((0.5 * (moved(h) - moved(-h))) / (2 * h), 5);
    });
  });
});

it('of a student that is like its teacher is nothing', async () => {
  const { loss, gradient } = await computed({ kind: 'kl', output: 'y', of: 'y', axis: 1, temperature: 2, weight: 1 }, [
    t,
    t,
  ]);
  expect(loss).toBeCloseTo(0, 6);
  for (const g of gradient) expect(g).toBeCloseTo(0, 6);
});

it.each([11, 17])('class scores may lie on any axis (operator set %i)', async (opset) => {
  const loss: OutputLoss = { kind: 'kl', output: 'y', of: 't', axis: 1, temperature: 3, weight: 0.5 };
  // The same rows, two by three positions: [2, classes, 3, 1].
  const dims = [2, COLUMNS, 3, 1];
  const turned = (x: ArrayLike<number>): Float64Array =>
    Float64Array.from(x, (_, i) => {
      const [n, c, p] = [Math.floor(i / (3 * COLUMNS)), Math.floor(i / 3) % COLUMNS, i % 3];
      return x[(n * 3 + p) * COLUMNS + c]!;
    });
  const flat = await computed({ ...loss, axis: -1 });
  const there = await computed(loss, [turned(y), turned(t)], { dims, opset });
  expect(there.loss).toBeCloseTo(flat.loss, 5);
  const wanted = turned(flat.gradient);
  there.gradient.forEach((g, i) => {
    expect(g).toBeCloseTo(wanted[i]!, 5);
  });
});
