import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { decodeNpz } from '../../src/calibration/sources/npz.js';
import { replaceConstant } from '../../src/graph/edit.js';
import { float16ToNumber, numberToFloat16 } from '../../src/graph/float16.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { readModel, verify, type Model } from '../../src/index.js';
import { Session } from '../../src/runtime/session.js';
import { CPU } from '../dense.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const drm19 = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../models/drm19');
const file = (name: string): string => path.join(drm19, name);
const [ROWS, STEPS, INPUTS, OUTPUTS] = [100, 4, 22, 21];

/** With its weights rounded to half precision, which makes it no smaller, but a little wrong. */
function rounded(model: Model): Model {
  const graph = { ...model.graph, initializers: new Map(model.graph.initializers) };
  for (const [name, tensor] of graph.initializers) {
    const values = toFloat64(tensor).map((v) => float16ToNumber(numberToFloat16(v)));
    replaceConstant(graph, name, floatTensor(name, tensor.dims, 'float32', values));
  }
  return { ...model, graph };
}

const scaling = decodeNpz(readFileSync(file('scaling.npz')), 'scaling.npz');
const numbers = (key: string): Float64Array => scaling.get(key)!.data as Float64Array;
const SCALING = { xm: numbers('x_mean'), xs: numbers('x_std'), ym: numbers('y_mean'), ys: numbers('y_std') };

/**
 * The state after some microseconds, as models/README.md describes it: temperature and 20 transformed mass fractions change by what the network
 * says, in physical units, and the pressure stays.
 */
async function burn(model: Model, start: Float32Array): Promise<Float64Array> {
  const { xm, xs, ym, ys } = SCALING;
  const physical = Float64Array.from(start, (v, i) => xm[i % INPUTS]! + xs[i % INPUTS]! * v);
  const session = await Session.open(model, CPU);
  for (let step = 0; step < STEPS; step++) {
    const data = Float32Array.from(physical, (v, i) => (v - xm[i % INPUTS]!) / xs[i % INPUTS]!);
    const state = { dtype: 'float32' as const, dims: [ROWS, INPUTS], data };
    const change = (await session.run(new Map([['state', state]]))).get('change')!.data as Float32Array;
    for (let row = 0; row < ROWS; row++) {
      for (let j = 0; j < OUTPUTS; j++) {
        const at = row * INPUTS + (j === 0 ? 0 : j + 1);
        physical[at] = physical[at]! + ym[j]! + ys[j]! * change[row * OUTPUTS + j]!;
      }
    }
  }
  await session.release();
  return physical;
}

it('drm19, stepped through four microseconds of fire, is where counting in kelvin and mass fractions gets it', async () => {
  const original = await readModel(file('model.onnx'));
  const other = rounded(original);
  const all = decodeNpz(readFileSync(file('test.npz')), 'test.npz').get('state')!;
  const data = (all.data as Float32Array).slice(0, ROWS * INPUTS);
  const report = await verify(original, other, {
    data: [writeNpz(folder(), 'states.npz', { state: { ...all, dims: [ROWS, INPUTS], data } })],
    rollout: STEPS,
    feedback: [`change+:state[0,2:22]@${file('scaling.npz')}`],
  });
  const { points, rows } = report.rollout!;
  expect(rows).toBe(ROWS);
  expect(points.map((p) => [p.step, p.rows])).toEqual([1, 2, 4].map((step) => [step, ROWS]));
  expect(points[0]!.values[0]!.output.nrmse).toBeCloseTo(report.outputs[0]!.nrmse!, 9);

  const [a, b] = [await burn(original, data), await burn(other, data)];
  let [sum, columns] = [0, 0];
  for (let c = 0; c < INPUTS; c++) {
    if (c === 1) continue;
    const of = (values: Float64Array): number[] => Array.from({ length: ROWS }, (_, r) => values[r * INPUTS + c]!);
    const [left, right] = [of(a), of(b)];
    const mean = left.reduce((s, v) => s + v, 0) / ROWS;
    const spread = left.reduce((s, v) => s + (v - mean) ** 2, 0);
    sum += Math.sqrt(left.reduce((s, v, r) => s + (v - right[r]!) ** 2, 0) / spread);
    columns++;
  }
  const wanted = sum / columns;
  expect(wanted).toBeGreaterThan(1e-6);
  const found = points.at(-1)!.values[0]!.input.nrmse!;
  // The states are rounded to float32 after each step.
  expect(Math.abs(found / wanted - 1)).toBeLessThan(0.02);
  // The fire has moved: the mean temperature rose by tens of kelvin.
  const kelvin = (values: ArrayLike<number>): number =>
    Array.from({ length: ROWS }, (_, r) => values[r * INPUTS]!).reduce((sum, v) => sum + v, 0) / ROWS;
  expect(kelvin(a) - (SCALING.xm[0]! + SCALING.xs[0]! * kelvin(data))).toBeGreaterThan(20);
}, 60_000);
