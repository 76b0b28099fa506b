// Residual networks with half of the channels inside their blocks, by four ways to reduce: `drop` (the channels with the largest share in
// what is read stay, nothing is absorbed: a reference, not a method of the program), `cosine` (the paper's merge), `span` channel by channel
// without a refit, and `span` as it is. Fitted on 1,500 lossless images; judged by the agreement with the original on 500 others, and by
// top-1 on 297 JPEG images. Writes docs/measured.md.
//   npm run build && node bench/residual.mjs [resnet20-cifar10] [resnet56-cifar10]
import { mkdirSync, readFileSync, writeFileSync, existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { keepMask } from '../dist/src/channels/keep.js';
import { condensingSites, featuresByChannel } from '../dist/src/channels/sites.js';
import { label } from '../dist/src/channels/tracker.js';
import { readWeight } from '../dist/src/channels/weights.js';
import { cosineReduction } from '../dist/src/condense/cosine.js';
import { collectModelMoments } from '../dist/src/condense/model-moments.js';
import { ALL_FOLDS, batchesOf, prepare } from '../dist/src/condense/prepare.js';
import { applyCut } from '../dist/src/condense/reduced.js';
import { spanReduction } from '../dist/src/condense/span.js';
import { condense, parameterCount, readModel } from '../dist/src/index.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { chooseChannels, orderSpace } from '../dist/src/select/ordered-space.js';
import { COLLECTION } from './data/raw-images.mjs';
import { agreement, METRICS, outputsFor, rowsFor } from './evaluate.mjs';
import { writeMeasured } from './measured-document.mjs';

const NAMES = ['resnet20-cifar10', 'resnet56-cifar10'];
const SHARE = 0.5;
const data = (part) => fileURLToPath(new URL(`data/cifar10-${part}.mjs`, import.meta.url));
const folder = fileURLToPath(new URL('../out/residual', import.meta.url));
mkdirSync(folder, { recursive: true });

for (const name of NAMES.filter((n) => process.argv.length < 3 || process.argv.includes(n))) {
  const results = await measure(name);
  writeFileSync(path.join(folder, `${name}.json`), JSON.stringify(results));
}
writeMeasured(
  'residual',
  NAMES.flatMap((name) => {
    const file = path.join(folder, `${name}.json`);
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : [];
  }),
);

async function measure(name) {
  const original = await readModel(path.join(COLLECTION, name, 'model.onnx'));
  // The first convolution of each block makes the channels that only the second one reads.
  const include = original.graph.nodes.map(label).filter((n) => /^layer\d+_\d+_conv1$/.test(n));
  const keep = new Map(include.map((node) => [node, { ratio: SHARE }]));
  const lossless = await rowsFor(original, [data('last')]);
  const jpeg = await rowsFor(original, [path.join(COLLECTION, 'data/cifar10/test.npz')]);
  const [reference, before] = [await outputsFor(original, lossless), await outputsFor(original, jpeg)];
  const top1 = (outputs) => METRICS.top1({ output: 'logits', labels: 'labels' }, outputs, jpeg);
  const results = [];
  const judge = async (way, model, start) => {
    const seconds = (performance.now() - start) / 1000;
    const result = {
      name,
      way,
      parameters: [parameterCount(original), parameterCount(model)],
      agreement: agreement(reference.get('logits'), (await outputsFor(model, lossless)).get('logits')),
      top1: [top1(before), top1(await outputsFor(model, jpeg))],
      seconds,
    };
    console.log(JSON.stringify(result));
    results.push(result);
  };

  const blas = new Blas();
  const prepared = await prepare(original, { data: [data('first')], test: [data('last')], include }, blas);
  const { analysis } = prepared;
  const moments = await collectModelMoments(
    prepared,
    batchesOf(prepared.data, ALL_FOLDS, () => 0),
    {},
  );
  const half = (space) => Math.round(SHARE * space.channels.length);
  let start = performance.now();
  const largest = new Map(analysis.spaces.map((s) => [s.id, largestOf(prepared.original, s, moments.all, half(s))]));
  const dropped = { analysis, keep: keepMask(analysis, largest), absorbed: new Map() };
  await judge('drop', (await applyCut(prepared.original, dropped)).model, start);

  start = performance.now();
  await judge('cosine', await mergedByHalf(prepared, moments, half), start);

  start = performance.now();
  const chosen = new Map();
  for (const space of analysis.spaces) {
    const ordered = await orderSpace(prepared.original, space, moments.all, 'eliminate', blas);
    chosen.set(space.id, await chooseChannels(ordered, half(space), blas));
  }
  const absorbed = await spanReduction(prepared.original, analysis, keepMask(analysis, chosen), moments.all, blas);
  await judge('span, channel by channel', (await applyCut(prepared.original, absorbed)).model, start);
  await blas.release();

  start = performance.now();
  const options = { data: [data('first')], test: [data('last')], include, keep };
  await judge('span, patches refitted in sequence', (await condense(original, options)).model, start);
  return results;
}

/** The channels with the largest G_ii ‖W_i‖². */
function largestOf(model, space, moments, count) {
  const weight = new Map([...space.channels].map((c) => [c, 0]));
  for (const site of condensingSites({ spaces: [space], consumers: space.consumers })) {
    const G = moments(site).xx(false);
    for (const consumer of site.consumers) {
      const W = readWeight(model, consumer, 'channels');
      for (const [channel, features] of featuresByChannel(site)) {
        if (!weight.has(channel)) continue;
        for (const f of features) {
          let norm = 0;
          for (let o = 0; o < W.rows; o++) norm += W.data[o * W.cols + f] ** 2;
          weight.set(channel, weight.get(channel) + G.data[f * G.cols + f] * norm);
        }
      }
    }
  }
  const order = [...space.channels].sort((a, b) => weight.get(b) - weight.get(a));
  return Int32Array.from(order.slice(0, count)).sort();
}

/** The cosine merge with a threshold for each space, found by halving, at which as many channels stay as are wanted, or as few more as can be. */
async function mergedByHalf({ original, analysis, blas }, moments, wanted) {
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
  return (await applyCut(original, await merged(([, high]) => high))).model;
}
