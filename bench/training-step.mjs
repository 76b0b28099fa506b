// What a step of training costs, as a multiple of three plain forward runs of the same model on the same rows, in turn within one run; and
// whether the memory stays where it is over many steps. Writes docs/measured.md.
//   npm run build && node bench/training-step.mjs [name ...] [--steps 1000]
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gatherRows } from '../dist/src/calibration/dataset.js';
import { readModel } from '../dist/src/index.js';
import { openPool } from '../dist/src/runtime/session-pool.js';
import { Session } from '../dist/src/runtime/session.js';
import { probeShapes } from '../dist/src/runtime/shapes.js';
import { TrainingRows } from '../dist/src/train/augmentation.js';
import { Learner } from '../dist/src/train/learner.js';
import { RowOrder } from '../dist/src/train/row-order.js';
import { planRuns } from '../dist/src/train/runs.js';
import { Targets } from '../dist/src/train/targets.js';
import { trainingGraph } from '../dist/src/train/training-graph.js';
import { foldBatchNormalization } from '../dist/passes/fold-batch-normalization.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { rowsFor } from './evaluate.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const RUNS = [
  { name: 'drm19', batch: 1024, most: 1.6 },
  { name: 'resnet20-cifar10', batch: 64, most: 5 },
  { name: 'resnet56-cifar10', batch: 64, most: 5 },
  { name: 'h2-combustion', batch: 256 },
  { name: 'mobilenetv2-cifar10', batch: 64 },
];
/** Seconds for each model's times. */
const SECONDS = 15;
const CPU = { provider: 'cpu' };
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { steps: { type: 'string', default: '0' } },
});
const kept = keptResults('training-step');
for (const run of RUNS.filter((r) => positionals.length === 0 || positionals.includes(r.name))) {
  const [before] = kept.read(run.name);
  kept.write(run.name, { ...before, ...(await measure(run)) });
}
await writeMeasured(
  'training-step',
  RUNS.flatMap(({ name }) => kept.read(name)),
);

async function measure({ name, batch, most }) {
  const entry = collectionEntries().find((e) => e.name === name);
  const read = await readModel(path.join(COLLECTION, entry.model));
  const { model } = await foldBatchNormalization.run(read, undefined);
  const data = await rowsFor(model, [dataOf(entry, 'calib')]);
  const fit = Int32Array.from({ length: Math.min(data.rows, 4 * batch) }, (_, i) => i);
  const rows = new TrainingRows(data, fit, undefined, 1);
  const output = model.graph.outputs[0].name;
  const feeds = gatherRows(data, fit.slice(0, batch));
  const shapes = await probeShapes(model, feeds, CPU);
  const runs = planRuns({ student: model, batch, rowsPerRun: batch, shapes, probed: batch, ...CPU });
  const pool = openPool(runs.atOnce, CPU);
  const targets = await Targets.open(model, [output], rows, fit, { memory: 1e9, runs }, pool);
  const deviations = targets.deviations.get(output);
  const part = await probeShapes(model, gatherRows(data, fit.slice(0, runs.rows)), CPU);
  const graph = trainingGraph(model, part, [{ kind: 'squared', output, of: output, deviations, weight: 1 }]);
  const learner = await Learner.open(model, graph, { rows, targets }, pool, runs, { clip: 1 });
  const order = new RowOrder(fit, batch, 1);
  const plain = await Session.open(model, CPU);
  let step = 0;
  const learn = () => learner.step(order.of(step++), 0, 1e-5);
  const result = { name, batch, most, atOnce: runs.atOnce };
  if (Number(options.steps) > 0) {
    // The heap settles in the first steps.
    for (let i = 0; i < 50; i++) await learn();
    const start = process.memoryUsage().rss;
    for (let i = 0; i < Number(options.steps); i++) await learn();
    result.memory = { steps: Number(options.steps), start, end: process.memoryUsage().rss };
  } else {
    for (let i = 0; i < 2; i++) await learn();
    const ratios = [];
    for (const began = performance.now(); ratios.length < 5 || performance.now() - began < SECONDS * 1000;) {
      const forward = await timed(async () => {
        for (let i = 0; i < 3; i++) await plain.run(feeds);
      });
      ratios.push((await timed(learn)) / forward);
    }
    ratios.sort((a, b) => a - b);
    const at = (share) => ratios[Math.floor(share * (ratios.length - 1))];
    Object.assign(result, { rounds: ratios.length, ratio: at(0.5), low: at(0.25), high: at(0.75) });
  }
  await Promise.all([pool.release(), plain.release()]);
  console.log(JSON.stringify(result));
  return result;
}

async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}
