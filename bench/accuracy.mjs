// Error against size on two combustion networks, on rows that no fit saw: one line for each share of the parameters kept.
// drm19 also has the true answers (which no reduction sees): there the mean absolute error against them is printed with its growth.
//   npm run build && node bench/accuracy.mjs [h2|drm19]
import { existsSync, readFileSync } from 'node:fs';
import * as ort from 'onnxruntime-node';
import { decodeNpz } from '../dist/src/calibration/sources/npz.js';
import { condense, encodeModel, parameterCount, readModel } from '../dist/src/index.js';

const RUNS = [
  { name: 'h2', folder: '../shared/models/h2-combustion', ratios: [0.42, 0.25, 0.094, 0.043], cosine: 0.42 },
  {
    name: 'drm19',
    folder: 'models/drm19',
    ratios: [0.6, 0.417, 0.2, 0.08],
    truth: { input: 'state', output: 'change' },
  },
];

for (const { name, folder, ratios, cosine, truth } of RUNS) {
  if (process.argv.length > 2 && !process.argv.slice(2).includes(name)) continue;
  if (!existsSync(folder)) {
    console.log(`${name}: skipped, ${folder} is not there`);
    continue;
  }
  const original = await readModel(`${folder}/model.onnx`);
  const options = { data: [`${folder}/calib.npz`], test: [`${folder}/test.npz`], gate: false };
  const before = truth === undefined ? undefined : await trueError(original, folder, truth);
  const print = async (label, settings) => {
    const start = performance.now();
    const { model, report } = await condense(original, { ...options, ...settings });
    const seconds = (performance.now() - start) / 1000;
    const nrmse = report.verification.outputs.map((o) => o.nrmse.toExponential(2)).join(', ');
    let line = `${name}  ${label.padEnd(14)} ${String(parameterCount(model)).padStart(8)} parameters  nrmse ${nrmse}  ${seconds.toFixed(1)} s`;
    if (before !== undefined) {
      const after = await trueError(model, folder, truth);
      line += `  mean |error| ${before.toPrecision(4)} → ${after.toPrecision(4)}, factor ${(after / before).toFixed(3)}`;
    }
    console.log(line);
  };
  console.log(`${name}  ${'original'.padEnd(14)} ${String(parameterCount(original)).padStart(8)} parameters`);
  for (const keepParams of ratios) await print(`span ${keepParams}`, { keepParams });
  if (cosine !== undefined) await print(`cosine ${cosine}`, { keepParams: cosine, method: 'cosine' });
}
console.log(`peak memory ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`);

/** Mean absolute difference between a model's output and the true answers, on test.npz. */
async function trueError(model, folder, { input, output }) {
  const arrays = decodeNpz(readFileSync(`${folder}/test.npz`), 'test.npz');
  const { dims, data } = arrays.get(input);
  const target = arrays.get('target').data;
  const session = await ort.InferenceSession.create(Buffer.concat(encodeModel(model)));
  const result = (await session.run({ [input]: new ort.Tensor('float32', data, dims) }))[output].data;
  await session.release();
  return result.reduce((sum, value, i) => sum + Math.abs(value - target[i]), 0) / target.length;
}
