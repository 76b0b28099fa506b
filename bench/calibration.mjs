// Time of calibration (second moments at every layer, all rows) against plain inference over the same rows, in turn within one run.
//   npm run build && node bench/calibration.mjs [model.onnx data.npz]...
import { existsSync } from 'node:fs';
import { chooseViews } from '../dist/src/channels/sites.js';
import { collectModelMoments } from '../dist/src/condense/model-moments.js';
import { batchesOf, prepare } from '../dist/src/condense/prepare.js';
import { readModel } from '../dist/src/index.js';
import { FOLDS } from '../dist/src/calibration/split.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { Session } from '../dist/src/runtime/session.js';

const ROUNDS = 3;
const ALL = Array.from({ length: FOLDS }, (_, fold) => fold);
const shared = '../shared/models/h2-combustion';
const imagenet = '../shared/models/mobilenetv2-imagenet/model.onnx';
const pairs =
  process.argv.length > 2
    ? Array.from({ length: (process.argv.length - 2) / 2 }, (_, i) => process.argv.slice(2 + 2 * i, 4 + 2 * i))
    : [
        ...(existsSync(shared) ? [[`${shared}/model.onnx`, `${shared}/calib.npz`]] : []),
        ['models/drm19/model.onnx', 'models/drm19/calib.npz'],
        ...(existsSync(imagenet) ? [[imagenet, 'bench/data/mobilenetv2-imagenet-calib.mjs']] : []),
      ];

async function seconds(run) {
  const start = performance.now();
  await run();
  return (performance.now() - start) / 1000;
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

for (const [file, data] of pairs) {
  const blas = new Blas();
  // Rows that stand in for check rows: none of them is calibrated on.
  const plain = await prepare(await readModel(file), { data: [data], test: [data] }, blas);
  const prepared = { ...plain, analysis: chooseViews(plain.analysis, plain.memory / 4) };
  const batches = () => batchesOf(prepared.data, ALL, () => 0);
  const inference = async () => {
    const session = await Session.open(prepared.original, prepared.session);
    for (const { feeds } of batches()) await session.run(feeds);
    await session.release();
  };
  const calibration = () => collectModelMoments(prepared, batches(), {});
  const [a, b] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    a.push(await seconds(inference));
    b.push(await seconds(calibration));
  }
  const rows = prepared.data.fitData.rows;
  console.log(
    `${file}: ${rows} rows, inference ${median(a).toFixed(2)} s, calibration ${median(b).toFixed(2)} s, ratio ${(median(b) / median(a)).toFixed(2)}`,
  );
  await blas.release();
}
console.log(`peak memory ${(process.resourceUsage().maxRSS / 1e6).toFixed(2)} GB`);
