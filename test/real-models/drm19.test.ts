import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { decodeNpz } from '../../src/calibration/sources/npz.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { condense, parameterCount, readModel, type Model } from '../../src/index.js';
import { withSession } from '../../src/runtime/session.js';
import { CPU } from '../dense.js';

const folder = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../models/drm19');
const file = (name: string): string => path.join(folder, name);

// The project's own network, so nothing is skipped here. All 49,475 rows are bench/accuracy.mjs's part; a sample keeps this short.
it('drm19 at the size of the paper: the error against the true answers grows by at most a quarter', async () => {
  const original = await readModel(file('model.onnx'));
  const { model, report } = await condense(original, {
    data: [file('calib.npz')],
    test: [file('test.npz')],
    maxRows: 4000,
    keepParams: 0.417,
    // Predictions alone choose the widths: each model that is tried takes seconds.
    trials: 0,
  });
  expect(report.status).toBe('reduced');
  expect(report.rows).toEqual({ fit: 4000, validation: 1000, check: 10_000 });
  expect(parameterCount(model)).toBeLessThanOrEqual(0.417 * 6_804_821);
  expect(report.verification!.outputs[0]!.nrmse).toBeLessThan(3e-3);
  // The first layer is 3,200 wide: 4,000 rows are fewer than five for each of its neurons.
  expect(report.warnings.map((w) => w.code)).toContain('ROWS_ARE_FEW');

  const arrays = decodeNpz(readFileSync(file('test.npz')), 'test.npz');
  const before = await trueError(original, arrays);
  expect(before).toBeCloseTo(0.008707, 5);
  expect((await trueError(model, arrays)) / before).toBeLessThanOrEqual(1.25);
}, 300_000);

/** Mean absolute difference to the true change of state, in standardised units. */
async function trueError(model: Model, arrays: ReadonlyMap<string, NumericArray>): Promise<number> {
  const outputs = await withSession(model, CPU, (session) => session.run(new Map([['state', arrays.get('state')!]])));
  const answer = outputs.get('change')!.data as Float32Array;
  const target = arrays.get('target')!.data as Float32Array;
  return answer.reduce((sum, value, i) => sum + Math.abs(value - target[i]!), 0) / target.length;
}
