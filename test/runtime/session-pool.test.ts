import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Feeds } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { openPool, type Loaded, type SessionPool, type Stage } from '../../src/runtime/session-pool.js';
import { buildModel, node } from '../build-model.js';
import { floats } from '../calibration/arrays.js';
import { constant, CPU } from '../dense.js';

/** y = 2 x, also as float16. */
const twice = buildModel({
  inputs: [{ name: 'x', shape: ['rows', 2] }],
  nodes: [node('Mul', ['x', 'two'], ['y']), node('Cast', ['y'], ['half'], { to: 10 })],
  initializers: [constant('two', [], [2])],
  outputs: [{ name: 'y' }, { name: 'half', dtype: 'float16' }],
});
/** d = (y − x) s, where y is the first model's. */
const after = buildModel({
  inputs: [
    { name: 'wanted', shape: ['rows', 2] },
    { name: 'x', shape: ['rows', 2] },
    { name: 's', shape: [1] },
  ],
  nodes: [node('Sub', ['wanted', 'x'], ['e']), node('Mul', ['e', 's'], ['y'])],
  outputs: [{ name: 'y' }],
});
const x = (value: number, rows = 1): Feeds => new Map([['x', floats([rows, 2], Array<number>(2 * rows).fill(value))]]);
const scale: Feeds = new Map([['s', floats([1], [10])]]);
const diagnosticOf = (error: unknown): unknown => (error as CondenseError).diagnostic;

describe.each([1, 3])('a pool of %i', (size) => {
  let pool: SessionPool;
  let first: Loaded;
  let stages: readonly Stage[];
  beforeAll(async () => {
    pool = openPool(size, CPU);
    first = await pool.load(twice);
    stages = [{ model: first }, { model: await pool.load(after), from: new Map([['wanted', 'y']]) }];
  });
  afterAll(() => pool.release());

  it('runs stages one after another, and gives what the last makes in the order of the feeds', async () => {
    expect(pool.size).toBe(size);
    for (const values of [[4], [1, 2, 3, 4, 5, 6, 7]]) {
      const results = await pool.run(
        stages,
        values.map((v) => x(v, v)),
        scale,
      );
      expect(results.map((r) => [...r.keys()])).toEqual(values.map(() => ['y']));
      expect(results.map((r) => r.get('y'))).toEqual(
        values.map((v) => floats([v, 2], Array<number>(2 * v).fill(10 * v))),
      );
    }
  });

  it('adds up what runs make', async () => {
    for (const values of [[4], [1, 2, 3, 4, 5, 6, 7]]) {
      const sums = await pool.sum(
        stages,
        values.map((v) => x(v)),
        scale,
      );
      const total = 10 * values.reduce((a, b) => a + b);
      expect([...sums]).toEqual([['y', floats([1, 2], [total, total])]]);
    }
  });

  it('takes rows that lie among others', async () => {
    const many = Float32Array.from({ length: 2000 }, (_, i) => i);
    const feeds = new Map([['x', { ...floats([1, 2], [0, 0]), data: many.subarray(1000, 1002) }]]);
    expect((await pool.run(stages, [feeds], scale))[0]!.get('y')!.data).toEqual(Float32Array.of(10000, 10010));
  });

  it('says what values it cannot run on, and runs on', async () => {
    const wrong: Feeds = new Map([['x', floats([1, 3], [1, 1, 1])]]);
    const failure = await pool.run(stages, [x(1), wrong, x(2), wrong], scale).catch(diagnosticOf);
    expect(failure).toMatchObject({ code: 'MODEL_DOES_NOT_RUN', exitCode: 2 });
    expect((await pool.run(stages, [x(3)], scale))[0]!.get('y')!.data).toEqual(Float32Array.of(30, 30));
  });

  it('gives float16 as bit patterns', async () => {
    const [made] = await pool.run([{ model: first }], [x(2)]);
    expect(made!.get('half')).toEqual({ dtype: 'float16', dims: [1, 2], data: Uint16Array.of(0x4400, 0x4400) });
  });

  it('names the model that does not load, and runs on', async () => {
    const broken: Model = {
      ...twice,
      source: { path: 'broken.onnx', byteLength: 0, sha256: '', externalFiles: [] },
      graph: { ...twice.graph, nodes: [node('NoSuchOperator', ['x'], ['y'])], outputs: [twice.graph.outputs[0]!] },
    };
    const failure = await pool.load(broken).catch(diagnosticOf);
    expect(failure).toMatchObject({ code: 'MODEL_DOES_NOT_LOAD', where: 'broken.onnx', exitCode: 4 });
    expect((await pool.run(stages, [x(3)], scale))[0]!.get('y')!.data).toEqual(Float32Array.of(30, 30));
  });

  it('unloads a model', async () => {
    const model = await pool.load(twice);
    expect((await pool.run([{ model }], [x(2)]))[0]!.get('y')!.data).toEqual(Float32Array.of(4, 4));
    await pool.unload(model);
    expect((await pool.run(stages, [x(3)], scale))[0]!.get('y')!.data).toEqual(Float32Array.of(30, 30));
  });
});

it('a pool that is gone answers nothing any more', async () => {
  const pool = openPool(2, CPU);
  const model = await pool.load(twice);
  await pool.release();
  const failure = await pool.run([{ model }], [x(1)]).catch(diagnosticOf);
  expect(failure).toMatchObject({ code: 'MODEL_DOES_NOT_RUN' });
  await pool.release();
});
