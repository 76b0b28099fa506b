import { describe, expect, it } from 'vitest';
import type { Dataset } from '../../src/calibration/dataset.js';
import type { Model } from '../../src/graph/ir.js';
import { openPool } from '../../src/runtime/session-pool.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { TrainingRows, type Augmentation } from '../../src/train/augmentation.js';
import { Learner } from '../../src/train/learner.js';
import type { RunPlan } from '../../src/train/runs.js';
import { Targets } from '../../src/train/targets.js';
import { trainingGraph } from '../../src/train/training-graph.js';
import { buildModel, node } from '../build-model.js';
import { CPU, weights } from '../dense.js';
import { normals } from '../matrices.js';

const ROWS = 24;
const network = (seed: number, batch: number | string): Model =>
  buildModel({
    inputs: [{ name: 'x', shape: [batch, 3, 6, 6] }],
    nodes: [
      node('Conv', ['x', 'w1'], ['a'], { pads: [1, 1, 1, 1] }),
      node('Relu', ['a'], ['h']),
      node('Conv', ['h', 'w2'], ['b']),
      node('GlobalAveragePool', ['b'], ['p']),
      node('Flatten', ['p'], ['y']),
    ],
    initializers: [weights('w1', [4, 3, 3, 3], seed), weights('w2', [5, 4, 1, 1], seed + 1)],
    outputs: [{ name: 'y' }],
  });

/** What a few steps make of the weights, and the losses before and after. */
async function after(
  runs: RunPlan,
  {
    memory = 1e8,
    fixedBatch,
    augmentation,
  }: { readonly memory?: number; readonly fixedBatch?: number; readonly augmentation?: Augmentation } = {},
): Promise<number[]> {
  const [teacher, student] = [network(1, fixedBatch ?? 'n'), network(5, fixedBatch ?? 'n')];
  const next = normals(7);
  const images = Float32Array.from({ length: ROWS * 108 }, next);
  const data: Dataset = {
    rows: ROWS,
    inputs: [
      { name: 'x', array: { dtype: 'float32', dims: [ROWS, 3, 6, 6], data: images }, rowAxis: 0, unbatched: false },
    ],
    extras: new Map(),
    fixedBatch,
    notes: [],
  };
  const all = Int32Array.from({ length: ROWS }, (_, i) => i);
  const rows = new TrainingRows(data, all, augmentation, 1);
  const values = ['y', 'b'];
  const pool = openPool(runs.atOnce, CPU);
  const targets = await Targets.open(teacher, values, rows, all, { memory, runs }, pool);
  const { deviations } = targets;
  const shapes = await probeShapes(student, rows.feeds(all.subarray(0, runs.rows), 0), CPU);
  const graph = trainingGraph(
    student,
    shapes,
    values.map((v) => ({ kind: 'squared', output: v, of: v, deviations: deviations.get(v)!, weight: 1 })),
  );
  const learner = await Learner.open(student, graph, { rows, targets }, pool, runs, { clip: 1 });
  const losses = [await learner.loss(all)];
  for (let i = 0; i < 3; i++) losses.push(await learner.step(all.subarray(0, 16), i % targets.variants, 1e-2));
  losses.push(await learner.loss(all));
  await pool.release();
  return [...losses, ...learner.weights.flatMap((w) => [...w])];
}

describe('a step', () => {
  const whole = { rows: 16, evaluated: 24, atOnce: 1 };
  const closeTo = (expected: readonly number[]): unknown[] => expected.map((v) => expect.closeTo(v, 4) as unknown);

  it('lowers the loss', async () => {
    const losses = (await after(whole)).slice(0, 5);
    expect(losses[4]).toBeLessThan(losses[0]!);
  });

  it.each([
    ['on several threads', { rows: 8, evaluated: 5, atOnce: 2 }, {}],
    ['in more runs than threads', { rows: 4, evaluated: 24, atOnce: 3 }, {}],
    ['one run after another', { rows: 2, evaluated: 7, atOnce: 1 }, {}],
    ['with targets that are not kept', whole, { memory: 0 }],
    ['with targets that are not kept, on several threads', { rows: 8, evaluated: 5, atOnce: 2 }, { memory: 0 }],
    ['of a graph with a fixed batch', { rows: 4, evaluated: 4, atOnce: 2 }, { fixedBatch: 4 }],
    ['of a graph with a fixed batch of one', { rows: 1, evaluated: 1, atOnce: 1 }, { fixedBatch: 1, memory: 0 }],
  ] as const)('is the same %s', async (_, runs, options) => {
    expect(await after(runs, options)).toEqual(closeTo(await after(whole)));
  });

  it('learns from ever new forms of the rows where there is no memory for their targets', async () => {
    const augmentation = { shift: 0.3, mix: 1 };
    const kept = await after(whole, { augmentation });
    // The teacher's outputs and maps of 24 rows as they are take 24 · (5 + 5 · 36) · 4 bytes; three steps see the forms 0, 1 and 2.
    for (const memory of [0, 20_000])
      expect(await after({ rows: 8, evaluated: 9, atOnce: 2 }, { augmentation, memory })).toEqual(closeTo(kept));
    expect(kept.slice(5)).not.toEqual((await after(whole)).slice(5));
  });

  it('is the same each time', async () => {
    const shared = { rows: 8, evaluated: 5, atOnce: 2 };
    expect(await after(shared)).toEqual(await after(shared));
  });
});
