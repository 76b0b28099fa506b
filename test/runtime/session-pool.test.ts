import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Feeds } from '../../src/graph/feeds.js';
import type { Model } from '../../src/graph/ir.js';
import { openPool, type SessionPool } from '../../src/runtime/session-pool.js';
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
const stages = [{ model: twice }, { model: after, from: new Map([['wanted', 'y']]) }];
const x = (value: number, rows = 1): Feeds => new Map([['x', floats([rows, 2], Array<number>(2 * rows).fill(value))]]);
const scale: Feeds = new Map([['s', floats([1], [10])]]);

describe.each([1, 3])('a pool of %i', (size) => {
  let pool: SessionPool;
  beforeAll(async () => {
    pool = await openPool(stages, size, CPU);
  });
  afterAll(() => pool.release());

  it('runs stages one after another, and gives what the last makes in the order of the feeds', async () => {
    expect(pool.size).toBe(size);
    for (const values of [[4], [1, 2, 3, 4, 5, 6, 7]]) {
      const results = await pool.run(
        values.map((v) => x(v, v)),
        scale,
      );
      expect(results.map((r) => [...r.keys()])).toEqual(values.map(() => ['y']));
      expect(results.map((r) => r.get('y'))).toEqual(
        values.map((v) => floats([v, 2], Array<number>(2 * v).fill(10 * v))),
      );
    }
  });

  it('says what values it cannot run on, and runs on', async () => {
    const wrong: Feeds = new Map([['x', floats([1, 3], [1, 1, 1])]]);
    await expect(pool.run([x(1), wrong], scale)).rejects.toMatchObject({
      diagnostic: { code: 'MODEL_DOES_NOT_RUN', exitCode: 2 },
    });
    expect((await pool.run([x(3)], scale))[0]!.get('y')!.data).toEqual(Float32Array.of(30, 30));
  });

  it('gives float16 as bit patterns', async () => {
    const halves = await openPool([{ model: twice }], size, CPU);
    const [made] = await halves.run([x(2)]);
    await halves.release();
    expect(made!.get('half')).toEqual({ dtype: 'float16', dims: [1, 2], data: Uint16Array.of(0x4400, 0x4400) });
  });

  it('names the model that does not load', async () => {
    const broken: Model = {
      ...twice,
      source: { path: 'broken.onnx', byteLength: 0, sha256: '', externalFiles: [] },
      graph: { ...twice.graph, nodes: [node('NoSuchOperator', ['x'], ['y'])], outputs: [twice.graph.outputs[0]!] },
    };
    const failure = await openPool([{ model: broken }], size, CPU).catch(
      (e: unknown) => (e as CondenseError).diagnostic,
    );
    expect(failure).toMatchObject({ code: 'MODEL_DOES_NOT_LOAD', where: 'broken.onnx', exitCode: 4 });
  });
});
