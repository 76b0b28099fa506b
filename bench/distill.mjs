// Reduced networks that learn from the original ones: the error of the refit alone, after learning, and by the paper's merge in rounds with the same
// training. Writes docs/measured.md.
//   npm run build && node bench/distill.mjs [name[@ratio] ...]
// Each line runs in a process of its own; results are kept in out/distill with date and machine, and gone on from.
import { spawnSync } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { label } from '../dist/src/channels/tracker.js';
import { condense, distill, parameterCount, readModel } from '../dist/src/index.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { agreement, METRICS, outputsFor, rowsFor } from './evaluate.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const images = { classes: ['logits'], augment: { flip: true, shift: 0.125 } };
/** The first convolution of each block makes the channels that only the second one reads. */
const insideBlocks = (share) => (model) => {
  const include = model.graph.nodes.map(label).filter((n) => /^layer\d+_\d+_conv1$/.test(n));
  return { include, keep: new Map(include.map((node) => [node, { ratio: share }])) };
};
const RUNS = [
  ...[
    [0.043, 160000],
    [0.02, 80000],
  ].map(([ratio, steps]) => ({
    name: 'h2-combustion',
    ratio,
    budget: () => ({ keepParams: ratio }),
    learning: { distill: { steps } },
  })),
  ...[
    [0.417, 2],
    [0.25, 8],
    [0.24, 8],
    [0.2, 8],
    [0.1, 8],
  ].map(([ratio, minutes]) => ({
    name: 'drm19',
    ratio,
    budget: () => ({ keepParams: ratio, trials: 4 }),
    learning: { distill: { minutes }, trainBatch: 1024 },
  })),
  {
    name: 'resnet56-cifar10',
    ratio: 0.25,
    budget: insideBlocks(0.25),
    further: fileURLToPath(new URL('data/resnet56-cifar10-more.mjs', import.meta.url)),
    // The scores of 2,000 images alone are learned by heart; what layers inside compute at every position of changed images is not.
    learning: {
      distill: { steps: 6500 },
      trainBatch: 64,
      learningRate: 1e-3,
      match: 1000,
      ...images,
      augment: { flip: true, shift: 0.15, zoom: 0.3, turn: 10, light: 0.3, mix: 1, cut: true },
    },
    // Much changed images teach most, and images like those that come have the last word.
    finish: {
      train: { steps: 350 },
      trainBatch: 64,
      learningRate: 2e-4,
      match: 300,
      augment: { ...images.augment, mix: 1 },
    },
  },
  ...[0.115, 0.2, 0.31].map((ratio) => ({
    name: 'mobilenetv2-cifar10',
    ratio,
    budget: () => ({ keepParams: ratio }),
    learning: { distill: { minutes: 6 }, trainBatch: 64, ...images },
  })),
  {
    name: 'mobilenetv2-cifar10',
    ratio: 0.115,
    way: 'cosine',
    budget: () => ({ keepParams: 0.115, method: 'cosine', steps: 4 }),
    learning: { distill: { minutes: 6 }, trainBatch: 64, ...images },
  },
];
const kept = keptResults('distill');
const key = ({ name, ratio, way }) => [`${name}@${ratio}`, way].filter(Boolean).join('-');

const wanted = process.argv.slice(2).filter((a) => a !== '--one');
if (process.argv.includes('--one')) {
  await measure(RUNS.find((r) => key(r) === wanted[0]));
} else {
  for (const run of RUNS.filter((r) => wanted.length === 0 || wanted.includes(r.name) || wanted.includes(key(r)))) {
    if (wanted.length === 0 && kept.read(key(run)).length > 0) continue;
    spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--one', key(run)], { stdio: 'inherit' });
  }
  writeMeasured(
    'distill',
    RUNS.flatMap((run) => kept.read(key(run))),
  );
}

async function measure(run) {
  const { name, ratio, way = 'span', budget, learning, finish, further } = run;
  const entry = collectionEntries().find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  const { classes, ...training } = learning;
  const rows = {
    data: [dataOf(entry, 'calib')],
    test: [dataOf(entry, 'test')],
    ...(classes === undefined ? {} : { classes }),
  };
  const options = { ...rows, ...budget(model) };
  const judged = await rowsFor(model, [dataOf(entry, 'test')]);
  const before = await outputsFor(model, judged, 1024);
  const others = further === undefined ? undefined : await rowsFor(model, [further]);
  const ofOthers = others === undefined ? undefined : await outputsFor(model, others, 256);
  const measureOf = (outputs) =>
    METRICS[entry.metric?.kind] === undefined ? null : METRICS[entry.metric.kind](entry.metric, outputs, judged);
  const figures = async ({ model: made, report }) => {
    const outputs = await outputsFor(made, judged, 1024);
    const [first] = report.verification.outputs;
    return {
      parameters: parameterCount(made),
      nrmse: first.nrmse,
      agreement:
        classes === undefined
          ? null
          : (first.agreement ?? agreement(before.get(first.output), outputs.get(first.output))),
      measure: measureOf(outputs),
      ...(others === undefined
        ? {}
        : { further: agreement(ofOthers.get(first.output), (await outputsFor(made, others, 256)).get(first.output)) }),
      seconds: report.seconds.total,
    };
  };
  const { steps: _rounds, ...once } = options;
  const refit = await figures(await condense(model, { ...once, gate: false }));
  console.log(JSON.stringify({ key: key(run), refit }));
  const onProgress = progressOf(key(run));
  const learned = await condense(model, { ...options, ...training, onProgress });
  const finished =
    finish === undefined ? undefined : await distill(model, learned.model, { ...rows, ...finish, onProgress });
  const last = await figures(finished ?? learned);
  const result = {
    name,
    way,
    ratio,
    kind: entry.metric?.kind ?? null,
    full: parameterCount(model),
    before: measureOf(before),
    ...(others === undefined ? {} : { further: others.rows }),
    refit,
    learned: { ...last, seconds: last.seconds + (finished === undefined ? 0 : learned.report.seconds.total) },
    training: [...learned.report.training, ...(finished === undefined ? [] : [finished.report.training])].map(
      ({ steps, batch, learningRate, bestStep, end, rows, seconds }) => ({
        steps,
        batch,
        learningRate,
        bestStep,
        end,
        rows,
        seconds,
      }),
    ),
    date: new Date().toISOString().slice(0, 10),
    machine: `${os.cpus().length} cores of ${os.cpus()[0].model}`,
  };
  console.log(JSON.stringify(result));
  kept.write(key(run), result);
}

/** A line each minute. */
function progressOf(name) {
  let last = performance.now();
  return ({ stage, message, done }) => {
    if (stage !== 'distill' || performance.now() - last < 60_000) return;
    last = performance.now();
    console.log(`${name}: step ${done}, ${message}`);
  };
}
