// The same number of channels removed in different ways, none of which trains: as other tools choose and (do not) make up for what is gone, as
// the paper merges, and as this program does it. Each space keeps the same share of its channels, so that only choice and compensation differ;
// the last way also plans how many stay where, at equal parameters. Writes docs/measured.md.
//   npm run build && node bench/compare.mjs [name ...]
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { keepMask } from '../dist/src/channels/keep.js';
import { condensingSites, featuresByChannel } from '../dist/src/channels/sites.js';
import { label } from '../dist/src/channels/tracker.js';
import { held, readWeight } from '../dist/src/channels/weights.js';
import { cosineReduction } from '../dist/src/condense/cosine.js';
import { collectModelMoments } from '../dist/src/condense/model-moments.js';
import { ALL_FOLDS, batchesOf, prepare } from '../dist/src/condense/prepare.js';
import { applyCut } from '../dist/src/condense/reduced.js';
import { spanReduction } from '../dist/src/condense/span.js';
import { toFloat64 } from '../dist/src/graph/tensor-data.js';
import { condense, parameterCount, readModel } from '../dist/src/index.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { compareModels } from '../dist/src/verify/compare-models.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { METRICS, outputsFor, rowsFor } from './evaluate.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const cifar = (part) => fileURLToPath(new URL(`data/cifar10-${part}.mjs`, import.meta.url));
/** 1,500 lossless images to fit and 500 others to check; the first convolution of each block makes the channels that only the second one reads. */
const residual = (name) => ({
  name,
  classes: ['logits'],
  rows: { data: [cifar('first')], test: [cifar('last')] },
  inside: /^layer\d+_\d+_conv1$/,
});
const RUNS = [
  { name: 'h2-combustion' },
  { name: 'drm19', maxRows: 20000 },
  { name: 'mlperf-ad-autoencoder' },
  { name: 'mlperf-kws-dscnn' },
  residual('resnet20-cifar10'),
  residual('resnet56-cifar10'),
  { name: 'mobilenetv2-cifar10', classes: ['logits'] },
];
const SHARE = 0.5;

const kept = keptResults('compare');
for (const run of RUNS.filter(({ name }) => process.argv.length < 3 || process.argv.includes(name)))
  kept.write(run.name, await measure(run));
await writeMeasured(
  'compare',
  RUNS.flatMap(({ name }) => kept.read(name)),
);

async function measure({ name, classes = [], rows, inside, maxRows }) {
  const entry = collectionEntries().find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  const include = inside === undefined ? [] : model.graph.nodes.map(label).filter((n) => inside.test(n));
  const settings = {
    ...(rows ?? { data: [dataOf(entry, 'calib')], test: [dataOf(entry, 'test')] }),
    ...(include.length === 0 ? {} : { include }),
    ...(maxRows === undefined ? {} : { maxRows }),
    classes,
  };
  const judged = await rowsFor(model, [dataOf(entry, 'test')]);
  const score = METRICS[entry.metric?.kind];
  const measureOf = async (some) =>
    score === undefined ? null : score(entry.metric, await outputsFor(some, judged, 512), judged);
  const before = await measureOf(model);
  const scores = classes.length > 0 || entry.metric?.kind === 'top1';
  const blas = new Blas();
  const prepared = await prepare(model, settings, blas);
  const { analysis, original, data, session } = prepared;
  const results = [];
  const judge = async (way, made, started) => {
    const seconds = (performance.now() - started) / 1000;
    const { outputs } = await compareModels(model, made, data.checkData, data.checkRows, {
      session,
      batch: data.batch,
      exact: false,
      classes,
    });
    const worst = outputs.toSorted((a, b) => b.nrmse - a.nrmse)[0];
    const parameters = parameterCount(made) / parameterCount(model);
    const result = {
      ...{ name, way, parameters, nrmse: worst.nrmse, agreement: scores ? worst.agreement : null },
      ...{ kind: entry.metric?.kind ?? null, measure: [before, await measureOf(made)], seconds },
    };
    console.log(JSON.stringify(result));
    results.push(result);
  };

  const moments = await collectModelMoments(
    prepared,
    batchesOf(data, ALL_FOLDS, () => 0),
    {},
  );
  const wanted = (space) => Math.max(space.least, Math.round(SHARE * space.channels.length));
  const cut = async (reduction) => (await applyCut(original, reduction)).model;
  const keepBy = (importance) =>
    keepMask(analysis, new Map(analysis.spaces.map((s) => [s.id, largest(s, importance(s), wanted(s))])));
  const norms = groupNorms(original, analysis);
  const byNorm = keepBy(() => norms);
  const byContribution = keepBy((space) => contributions(original, space, moments.all));

  let started = performance.now();
  await judge('group norm, nothing absorbed', await cut({ analysis, keep: byNorm, absorbed: new Map() }), started);
  started = performance.now();
  await judge(
    'activations, nothing absorbed',
    await cut({ analysis, keep: byContribution, absorbed: new Map() }),
    started,
  );
  started = performance.now();
  await judge('cosine merge', await cut(await mergedTo(prepared, moments, wanted)), started);
  started = performance.now();
  const absorbed = await spanReduction(original, analysis, byNorm, moments.all, blas);
  await judge('group norm, then least squares', await cut(absorbed), started);
  await blas.release();

  started = performance.now();
  const keep = new Map(analysis.spaces.map((s) => [label(s.producers[0]), wanted(s)]));
  const equal = await condense(model, { ...settings, keep, gate: false });
  await judge('span, the same share everywhere', equal.model, started);
  started = performance.now();
  const planned = await condense(model, { ...settings, keepParams: parameterCount(equal.model), gate: false });
  await judge('span, planned', planned.model, started);
  return results;
}

/** The channels that count most, ascending. */
function largest({ channels }, importance, count) {
  const order = [...channels].sort((a, b) => importance[b] - importance[a]);
  return Int32Array.from(order.slice(0, count)).sort();
}

/** Squared norm of all weights that go with a channel, those that make it and those that read it: how Torch-Pruning ranks groups by default. */
function groupNorms({ graph }, { channelCount, cuts }) {
  const norms = new Float64Array(channelCount);
  for (const { holder, axis, channels } of cuts) {
    const tensor = held(graph, holder);
    if (tensor.dims.length < 2) continue;
    const values = toFloat64(tensor);
    const inner = tensor.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
    const length = tensor.dims[axis];
    for (let i = 0; i < values.length; i++) {
      const channel = channels[Math.floor(i / inner) % length];
      if (channel >= 0) norms[channel] += values[i] ** 2;
    }
  }
  return norms;
}

/** E[x²] ‖W‖² of each channel: what it contributes to what is read. */
function contributions(model, space, moments) {
  const weight = {};
  for (const site of condensingSites({ spaces: [space], consumers: space.consumers })) {
    const G = moments(site).xx(false);
    for (const consumer of site.consumers) {
      const W = readWeight(model, consumer, 'channels');
      for (const [channel, features] of featuresByChannel(site))
        for (const f of features) {
          let norm = 0;
          for (let o = 0; o < W.rows; o++) norm += W.data[o * W.cols + f] ** 2;
          weight[channel] = (weight[channel] ?? 0) + G.data[f * G.cols + f] * norm;
        }
    }
  }
  return weight;
}

/** The cosine merge with a threshold for each space, found by halving, at which as many channels stay as are wanted, or as few more as can be. */
async function mergedTo({ original, analysis, blas }, moments, wanted) {
  const ranges = analysis.spaces.map(() => [0, 1]);
  const node = ({ producers }) => label(producers[0]);
  const merged = async (pick) => {
    const thresholds = new Map(analysis.spaces.map((s, i) => [node(s), pick(ranges[i])]));
    return cosineReduction(original, analysis, moments.all, thresholds, blas);
  };
  for (let i = 0; i < 25; i++) {
    const { keep } = await merged(([low, high]) => (low + high) / 2);
    analysis.spaces.forEach((space, k) => {
      const stay = space.channels.reduce((sum, c) => sum + keep[c], 0);
      const [low, high] = ranges[k];
      ranges[k] = stay < wanted(space) ? [(low + high) / 2, high] : [low, (low + high) / 2];
    });
  }
  return merged(([, high]) => high);
}
