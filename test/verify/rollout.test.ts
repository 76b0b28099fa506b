import { describe, expect, it } from 'vitest';
import { CondenseError, verify, type Feedback, type RolloutReport, type VerifyOptions } from '../../src/index.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { shownSteps } from '../../src/verify/rollout.js';
import { buildModel, node } from '../build-model.js';
import { floats } from '../calibration/arrays.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();

/** y = factors · x, elementwise, on any batch or another shape. */
function scaled(factors: readonly number[], shape: readonly (number | string)[] = ['N', factors.length]): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: [...shape] }],
    outputs: [{ name: 'y', shape: [...shape] }],
    nodes: [node('Mul', ['x', 'f'], ['y'])],
    initializers: [floatTensor('f', [factors.length], 'float32', factors)],
  });
}

/** Rows ±a, ±2a, … in every column: their mean is 0, so that their RMS is their standard deviation. */
function symmetric(rows: number, columns: number): NumericArray {
  return floats(
    [rows, columns],
    Array.from({ length: rows * columns }, (_, i) => {
      const row = Math.floor(i / columns);
      return (row % 2 === 0 ? 1 : -1) * (1 + Math.floor(row / 2)) * 2 ** (i % columns);
    }),
  );
}

async function compare(
  [original, reduced]: readonly [Model, Model],
  arrays: Readonly<Record<string, NumericArray>>,
  rollout: number,
  feedback: NonNullable<VerifyOptions['feedback']>,
  options: Partial<VerifyOptions> = {},
): Promise<RolloutReport> {
  const data = [writeNpz(folder(), 'data.npz', arrays)];
  return (await verify(original, reduced, { data, rollout, feedback, ...options })).rollout!;
}

/** NRMSE by step: of the first output, and of what it feeds. */
const curve = ({ points }: RolloutReport, of: 'output' | 'input' = 'output') =>
  points.map(({ step, values }) => [step, values[0]![of].nrmse]);

describe('steps that are shown', () => {
  it.each([
    [1, [1]],
    [2, [1, 2]],
    [8, [1, 2, 4, 8]],
    [100, [1, 2, 4, 8, 16, 32, 64, 100]],
  ])('%i', (steps, shown) => {
    expect(shownSteps(steps)).toEqual(shown);
  });
});

describe('a linear map', () => {
  it('whose output takes the place of the input: after s steps the error is |(b/a)^s − 1|', async () => {
    const report = await compare([scaled([2, 2]), scaled([4, 4])], { x: symmetric(8, 2) }, 6, ['y:x']);
    expect(report).toMatchObject({
      steps: 6,
      rows: 8,
      feedback: [{ output: 'y', input: 'x', add: false, columns: [0, 1] }],
    });
    // 2^s − 1, exactly.
    expect(curve(report)).toEqual([1, 2, 4, 6].map((s) => [s, 2 ** s - 1]));
    expect(curve(report, 'input')).toEqual(curve(report));
    // 4^s − 2^s times the largest value, 4 · 2.
    expect(report.points.map((p) => p.values[0]!.output.maxAbs)).toEqual(
      [1, 2, 4, 6].map((s) => 8 * (4 ** s - 2 ** s)),
    );
    expect(report.points.every((p) => p.rows === 8)).toBe(true);
  });

  it('that contracts forgets its errors by itself, and the error stays relative to what is left', async () => {
    const report = await compare([scaled([0.5]), scaled([0.25])], { x: symmetric(4, 1) }, 8, ['y:x']);
    expect(curve(report)).toEqual([1, 2, 4, 8].map((s) => [s, 1 - 2 ** -s]));
    expect(report.points.at(-1)!.values[0]!.output.maxAbs).toBe(2 * (2 ** -8 - 4 ** -8));
  });

  it('whose output is added: the state grows by (1 + a)^s, and so does the change', async () => {
    const report = await compare([scaled([1]), scaled([3])], { x: symmetric(4, 1) }, 4, ['y+:x']);
    // Change: 3 · 4^(s−1) against 2^(s−1); state: 4^s against 2^s.
    expect(curve(report)).toEqual([1, 2, 4].map((s) => [s, 3 * 2 ** (s - 1) - 1]));
    expect(curve(report, 'input')).toEqual([1, 2, 4].map((s) => [s, 2 ** s - 1]));
    // Half of the change: 1.5^s against 2.5^s.
    const half = await compare([scaled([1]), scaled([3])], { x: symmetric(4, 1) }, 2, ['y*0.5+:x']);
    expect(half.points[1]!.values[0]!.input.nrmse).toBeCloseTo((2.5 / 1.5) ** 2 - 1, 12);
  });

  it('a model does not drift from itself', async () => {
    const same = await compare([scaled([1.1]), scaled([1.1])], { x: symmetric(20, 1) }, 10, ['y:x']);
    expect(curve(same).every(([, nrmse]) => nrmse === 0)).toBe(true);
  });
});

/** change = (x₁, x₀) · w + k of x [N, 3] and k [N, 2]: x₂ is read by nobody. */
function swapping(w: number): Model {
  return buildModel({
    inputs: [
      { name: 'x', shape: ['N', 3] },
      { name: 'k', shape: ['N', 2] },
    ],
    outputs: [{ name: 'change', shape: ['N', 2] }],
    nodes: [node('MatMul', ['x', 'w'], ['xw']), node('Add', ['xw', 'k'], ['change'])],
    initializers: [floatTensor('w', [3, 2], 'float32', [0, w, w, 0, 0, 0])],
  });
}

describe('columns and other inputs', () => {
  const start = { x: floats([2, 3], [1, 2, 5, -1, -2, 7]), k: floats([2, 2], [1, 0, -1, 0]) };
  /** x after some steps of x₀ += w x₁ + k₀, x₁ += w x₀ + k₁, the second row being the negative of the first. */
  const stepped = (w: number, steps: number): [number, number] => {
    let [a, b] = [1, 2];
    for (let s = 0; s < steps; s++) [a, b] = [a + w * b + 1, b + w * a];
    return [a, b];
  };

  it('a change with fewer columns feeds the first ones; what is not fed keeps its values', async () => {
    const report = await compare([swapping(1), swapping(2)], start, 3, ['change+:x']);
    expect(report.feedback[0]).toEqual({ output: 'change', input: 'x', add: true, columns: [0, 1] });
    for (const { step, values } of report.points) {
      const [a, b] = [stepped(1, step), stepped(2, step)];
      const wanted = ((b[0] - a[0]) / a[0] + (b[1] - a[1]) / a[1]) / 2;
      expect(values[0]!.input.nrmse).toBeCloseTo(wanted, 12);
      expect(values[0]!.input.maxAbs).toBe(Math.max(b[0] - a[0], b[1] - a[1]));
    }
  });

  it('named columns, by two feedbacks of one input', async () => {
    // y = 2 f x₁ and z = 4 f x₂ of x [N, 3].
    const two = (factor: number): Model =>
      buildModel({
        inputs: [{ name: 'x', shape: ['N', 3] }],
        outputs: [
          { name: 'y', shape: ['N', 1] },
          { name: 'z', shape: ['N', 1] },
        ],
        nodes: [node('MatMul', ['x', 'a'], ['y']), node('MatMul', ['x', 'b'], ['z'])],
        initializers: [
          floatTensor('a', [3, 1], 'float32', [0, 2 * factor, 0]),
          floatTensor('b', [3, 1], 'float32', [0, 0, 4 * factor]),
        ],
      });
    const report = await compare([two(1), two(2)], { x: symmetric(6, 3) }, 4, ['y:x[1]', 'z+:x[2]']);
    // x₁: (4/2)^s − 1. x₂: (9/5)^s − 1.
    for (const { step, values } of report.points) {
      expect(values[0]!.input.nrmse).toBeCloseTo(2 ** step - 1, 12);
      expect(values[1]!.input.nrmse).toBeCloseTo(1.8 ** step - 1, 6);
    }
    // As objects, too.
    const objects: Feedback[] = [
      { output: 'y', input: 'x', columns: [1] },
      { output: 'z', input: 'x', add: true, columns: [2] },
    ];
    const again = await compare([two(1), two(2)], { x: symmetric(6, 3) }, 4, objects);
    expect(again).toEqual(report);
  });
});

describe('rows', () => {
  it('that leave the finite numbers are counted and left out', async () => {
    // y = f x²: 2^(2^s) in the original, 2^(3 · 2^s − 2) in the reduced one; float32 ends at 2^128. Rows of 1 stay, at 1 and at 4^(2^s − 1).
    const square = (f: number): Model =>
      buildModel({
        inputs: [{ name: 'x', shape: ['N', 1] }],
        outputs: [{ name: 'y', shape: ['N', 1] }],
        nodes: [node('Mul', ['x', 'x'], ['xx']), node('Mul', ['xx', 'f'], ['y'])],
        initializers: [floatTensor('f', [1], 'float32', [f])],
      });
    const report = await compare([square(1), square(4)], { x: floats([4, 1], [2, 1, 0, -2]) }, 8, ['y:x']);
    // 3 · 2^4 − 2 = 46 at step 4; all rows but that of 0 are beyond 128 at step 8, in the original those that began with ±2.
    expect(report.points.map((p) => [p.step, p.rows, p.nonFinite])).toEqual([
      [1, 4, { original: 0, reduced: 0 }],
      [2, 4, { original: 0, reduced: 0 }],
      [4, 4, { original: 0, reduced: 0 }],
      [8, 1, { original: 2, reduced: 3 }],
    ]);
    // The one row that is left does not vary.
    expect(report.points.at(-1)!.values[0]).toEqual({
      output: { nrmse: null, maxAbs: 0 },
      input: { nrmse: null, maxAbs: 0 },
    });
    const none = await compare([square(1), square(4)], { x: floats([2, 1], [2, -2]) }, 8, ['y:x']);
    expect(none.points.at(-1)).toMatchObject({ rows: 0, values: [{ output: { nrmse: null, maxAbs: null } }] });
  });

  it('that were not finite once stay out, though the model looks sound again', async () => {
    // 1/x is infinite at 0, and 0 again one step later.
    const inverse = buildModel({
      inputs: [{ name: 'x', shape: ['N', 1] }],
      outputs: [{ name: 'y', shape: ['N', 1] }],
      nodes: [node('Reciprocal', ['x'], ['y'])],
    });
    const report = await compare([inverse, inverse], { x: floats([3, 1], [0, 2, -2]) }, 4, ['y:x']);
    expect(report.points.map((p) => [p.step, p.rows, p.nonFinite.original])).toEqual([
      [1, 2, 1],
      [2, 2, 1],
      [4, 2, 1],
    ]);
  });

  it('are a bounded sample, the same in any batches and in a graph of one batch', async () => {
    const x = symmetric(300, 2);
    const pair = [scaled([1, 2]), scaled([1.5, 3])] as const;
    const seen: [number, number][] = [];
    const report = await compare(pair, { x }, 3, ['y:x'], {
      batch: 100,
      onProgress: ({ message, done, total }) => {
        if (message.startsWith('steps')) seen.push([done!, total!]);
      },
    });
    expect(report.rows).toBe(256);
    expect(seen).toEqual(Array.from({ length: 9 }, (_, i) => [i + 1, 9]));
    const figures = ({ points }: RolloutReport) => points.flatMap((p) => [p.rows, p.values[0]!.output.nrmse!]);
    const others = [
      await compare(pair, { x }, 3, ['y:x'], { batch: 1000 }),
      // 300 rows in runs of 7, the last one filled up.
      await compare([scaled([1, 2], [7, 2]), scaled([1.5, 3], [7, 2])], { x }, 3, ['y:x']),
    ];
    for (const other of others)
      figures(other).forEach((value, i) => {
        expect(value).toBeCloseTo(figures(report)[i]!, 10);
      });
  });

  it('of a graph without a batch axis, and rows along another one', async () => {
    const x = symmetric(6, 2);
    const bare = await compare([scaled([2, 2], [2]), scaled([4, 4], [2])], { x }, 3, ['y:x']);
    expect(bare.rows).toBe(6);
    // All elements pooled: their mean is 0 as well.
    expect(curve(bare)).toEqual([1, 2, 3].map((s) => [s, 2 ** s - 1]));
    const across = {
      x: floats(
        [2, 6],
        Array.from({ length: 12 }, (_, i) => x.data[(i % 6) * 2 + Math.floor(i / 6)] as number),
      ),
    };
    const turned = (factor: number): Model => scaled([factor], [2, 'N']);
    const report = await compare([turned(2), turned(4)], across, 3, ['y:x']);
    expect(report.rows).toBe(6);
    expect(report.feedback[0]!.columns).toEqual([0, 1]);
    expect(report.points.map((p) => p.rows)).toEqual([6, 6, 6]);
    expect(report.points.map((p) => p.values[0]!.output.maxAbs)).toEqual([1, 2, 3].map((s) => 6 * (4 ** s - 2 ** s)));
  });
});

describe('what does not fit', () => {
  const model = scaled([1, 2]);
  const refusal = (options: Partial<VerifyOptions>) =>
    verify(model, model, { data: [writeNpz(folder(), 'data.npz', { x: symmetric(4, 2) })], ...options }).then(
      () => 'nothing was refused',
      (error: unknown) => (error instanceof CondenseError ? error.diagnostic : error),
    );

  it.each<[Partial<VerifyOptions>, string, RegExp]>([
    [{ feedback: ['y:x'] }, 'OPTIONS_CONFLICT', /--feedback belongs to --rollout/],
    [{ rollout: 3 }, 'OPTIONS_CONFLICT', /--rollout needs to know what is fed back/],
    [{ rollout: 0, feedback: ['y:x'] }, 'OPTIONS_CONFLICT', /--rollout must be a whole number above 0/],
    [{ rollout: 1.5, feedback: ['y:x'] }, 'OPTIONS_CONFLICT', /--rollout must be a whole number above 0/],
    [{ rollout: 3, feedback: ['z:x'] }, 'OUTPUT_UNKNOWN', /no output 'z'/],
    [{ rollout: 3, feedback: [{ output: 'z', input: 'x' }] }, 'OUTPUT_UNKNOWN', /no output 'z'/],
    [{ rollout: 3, feedback: [{ output: 'y', input: 'f' }] }, 'INPUT_UNKNOWN', /no input 'f' that takes data/],
    [{ rollout: 3, feedback: ['y:x[0]'] }, 'FEEDBACK_DOES_NOT_FIT', /and 1 columns are named/],
    [
      { rollout: 3, feedback: ['y:x', 'y+:x'] },
      'FEEDBACK_DOES_NOT_FIT',
      /'y\+:x\[0:2\]' .*: y:x\[0:2\] feeds the same columns/,
    ],
  ])('%o', async (options, code, message) => {
    expect(await refusal(options)).toMatchObject({
      code,
      message: expect.stringMatching(message) as string,
      exitCode: 2,
    });
  });

  it('an input that is one value for all rows', async () => {
    const shared = buildModel({
      inputs: [
        { name: 'x', shape: ['N', 2] },
        { name: 'dt', shape: [] },
      ],
      outputs: [{ name: 'y', shape: ['N', 2] }],
      nodes: [node('Mul', ['x', 'dt'], ['y'])],
    });
    const arrays = { x: symmetric(4, 2), dt: floats([], [2]) };
    await expect(compare([shared, shared], arrays, 2, ['y:dt'])).rejects.toThrow(/'dt' is one value for all rows/);
    // But it may be there.
    expect((await compare([shared, shared], arrays, 2, ['y:x'])).points).toHaveLength(2);
  });

  it('a second model of another shape is for the check to tell: there is no rollout', async () => {
    const wider = buildModel({
      inputs: [{ name: 'x', shape: ['N', 2] }],
      outputs: [{ name: 'y', shape: ['N', 4] }],
      nodes: [node('Concat', ['x', 'x'], ['y'], { axis: 1 })],
    });
    const data = [writeNpz(folder(), 'data.npz', { x: symmetric(4, 2) })];
    const report = await verify(model, wider, { data, rollout: 2, feedback: ['y:x'] });
    expect(report.rollout).toBeNull();
    expect(report.verdict.failures).toMatchObject([{ output: 'y', measure: 'shape' }]);
  });
});
