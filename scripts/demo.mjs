/**
 * The main job on a real network: reduces models/drm19 to 41.7 % of its parameters, lets the gate check it on rows that no fit saw, and
 * compares both networks with the true answers, which the reduction never had. Needs a build. Leaves out/drm19-small.onnx behind.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-node';
import { decodeNpz } from '../dist/src/calibration/sources/npz.js';

process.chdir(path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..'));
const original = 'models/drm19/model.onnx';
const reduced = 'out/drm19-small.onnx';
const testData = 'models/drm19/test.npz';
// A sample of the calibration rows keeps the demo short; without --max-rows all 49,475 are used.
const options = [
  '--data',
  'models/drm19/calib.npz',
  '--test',
  testData,
  '--max-rows',
  '12000',
  '--keep-params',
  '0.417',
  // Each model that is made on the way takes ten seconds or more.
  '--trials',
  '0',
];

const command = ['dist/src/cli/main.js', original, reduced, ...options];
process.stderr.write(`node ${command.join(' ')}\n\n`);
mkdirSync('out', { recursive: true });
const { status } = spawnSync(process.execPath, command, { stdio: 'inherit' });
if (status !== 0) process.exit(status ?? 1);

const arrays = decodeNpz(readFileSync(testData), testData);
const [before, after] = [await taskError(original), await taskError(reduced)];
process.stderr.write(
  `\nmean |prediction - true value| on ${testData}: ${before.toPrecision(4)} before, ${after.toPrecision(4)} after ` +
    `(factor ${(after / before).toFixed(3)})\n`,
);

/** Mean absolute error against the true change of state, in standardised units. */
async function taskError(file) {
  const { dims, data } = arrays.get('state');
  const session = await ort.InferenceSession.create(file);
  const { change } = await session.run({ state: new ort.Tensor('float32', data, dims) });
  await session.release();
  const target = arrays.get('target').data;
  return change.data.reduce((sum, value, i) => sum + Math.abs(value - target[i]), 0) / target.length;
}
