// Planned widths against uniform ones (the same share of every space, the same selection and refit) at equal parameters, and the planner's
// prediction against what comes out. Writes docs/measured.md.
//   npm run build && node bench/planning.mjs [name ...] [--plans 20]
// With --plans n: instead, n random plans of each model are built, and the rank correlation of predicted and actual error is written.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { randomNumbers } from '../dist/src/calibration/random.js';
import { chooseViews } from '../dist/src/channels/sites.js';
import { limitsOf } from '../dist/src/condense/budget.js';
import { ALL_FOLDS, prepare } from '../dist/src/condense/prepare.js';
import { SpanModel } from '../dist/src/condense/span-model.js';
import { WidthSearch } from '../dist/src/condense/width-search.js';
import { parameterCount, readModel } from '../dist/src/index.js';
import { WidthCost } from '../dist/src/plan/cost.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { compareModels } from '../dist/src/verify/compare-models.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { METRICS, outputsFor, rowsFor } from './evaluate.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const RUNS = [
  { name: 'h2-combustion', ratios: [0.25, 0.094, 0.043] },
  // 41.7 % is the size of the paper.
  { name: 'drm19', ratios: [0.6, 0.417, 0.25, 0.1] },
  { name: 'resnet56-cifar10', ratios: [0.5] },
  { name: 'mobilenetv2-imagenet', ratios: [0.7, 0.5] },
];
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { plans: { type: 'string', default: '0' } },
});
const kept = keptResults('planning');

const suffix = Number(options.plans) > 0 ? '.plans' : '';
for (const run of RUNS.filter((r) => positionals.length === 0 || positionals.includes(r.name))) {
  kept.write(`${run.name}${suffix}`, await measure(run));
}
const stored = (ending) => RUNS.flatMap(({ name }) => kept.read(`${name}${ending}`));
await writeMeasured('planning', { gains: stored(''), correlations: stored('.plans') });

async function measure({ name, ratios }) {
  const entry = collectionEntries().find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  const images = name === 'mobilenetv2-imagenet';
  const part = (which) => (images ? path.join(COLLECTION, name, 'images', which) : dataOf(entry, which));
  const settings = {
    data: [part('calib')],
    test: [part('test')],
    ...(images ? { images: { scale: [1 / 127.5], mean: [1] } } : {}),
  };
  const blas = new Blas();
  const plain = await prepare(model, settings, blas);
  const prepared = { ...plain, analysis: chooseViews(plain.analysis, plain.memory / 4) };
  const { analysis } = prepared;
  const cost = new WidthCost(prepared.original, analysis, prepared.shapes, prepared.probed);
  const span = await SpanModel.open(prepared, settings, new Map());
  const started = performance.now();
  const planning = await WidthSearch.open(span, cost, new Map(), 8);
  const seconds = { curves: (performance.now() - started) / 1000 };
  /** Mean absolute difference to the true answers. */
  const trueError = async (some) => {
    const rows = await rowsFor(model, [part('test')]);
    return METRICS.mae(entry.metric, await outputsFor(some, rows, 2048), rows);
  };
  const original = entry.metric.kind === 'mae' ? await trueError(model) : undefined;
  const errorOf = async (widths) => {
    const { model: reduced } = await span.build(widths, ALL_FOLDS);
    const { data } = prepared;
    const report = await compareModels(beforeSoftmax(model), beforeSoftmax(reduced), data.checkData, data.checkRows, {
      session: prepared.session,
      batch: data.batch,
      exact: false,
      classes: [],
    });
    const outputs = report.outputs.map((o) => ({ nrmse: o.nrmse, agreement: o.agreement }));
    return {
      parameters: parameterCount(reduced),
      ...outputs.sort((a, b) => b.nrmse - a.nrmse)[0],
      ...(entry.metric.kind === 'mae' ? { trueError: (await trueError(reduced)) / original } : {}),
    };
  };
  const results = [];
  for (const ratio of Number(options.plans) > 0 ? [] : ratios) {
    const begun = performance.now();
    const { widths } = await planning.best(limitsOf(prepared, { keepParams: ratio }, cost));
    const search = (performance.now() - begun) / 1000;
    const result = {
      name,
      ratio,
      full: parameterCount(model),
      predicted: planning.predicted(widths),
      planned: await errorOf(widths),
      uniform: await errorOf(
        uniform(analysis.spaces, planning.steps, (w) => cost.parameters(w) <= ratio * parameterCount(model)),
      ),
      seconds: { ...seconds, search },
    };
    console.log(JSON.stringify(result));
    results.push(result);
  }
  const plans = Number(options.plans);
  if (plans > 0) {
    const next = randomNumbers(7);
    const pairs = [];
    for (let i = 0; i < plans; i++) {
      const level = 0.15 + 0.8 * next();
      const widths = analysis.spaces.map(({ channels, least }) =>
        Math.max(least, Math.round(channels.length * Math.min(1, level * (0.6 + 0.8 * next())))),
      );
      pairs.push([planning.predicted(widths), (await errorOf(widths)).nrmse]);
    }
    results.push({ name, plans, pairs, correlation: rankCorrelation(pairs) });
    console.log(JSON.stringify(results.at(-1)));
  }
  await blas.release();
  return results;
}

/**
 * The model with the scores in the place of probabilities: of a thousand classes most never occur in a few hundred rows, and the probability of
 * a class that does not occur has no variance to measure an error by.
 */
function beforeSoftmax(model) {
  const scores = (output) => {
    const maker = model.graph.nodes.find((n) => n.outputs.includes(output.name));
    return maker?.opType === 'Softmax' ? { name: maker.inputs[0], dtype: output.dtype, shape: output.shape } : output;
  };
  return { ...model, graph: { ...model.graph, outputs: model.graph.outputs.map(scores) } };
}

/** The same share of every space, rounded to its step: the largest that fits. */
function uniform(spaces, steps, fits) {
  const widthsAt = (share) =>
    spaces.map(({ channels, least }, i) =>
      Math.min(
        channels.length,
        Math.max(
          least,
          steps[i] * Math.floor((share * channels.length) / steps[i] + 1e-9),
          steps[i] > 1 ? steps[i] : 1,
        ),
      ),
    );
  let [low, high] = [0, 1];
  for (let i = 0; i < 40; i++) {
    const middle = (low + high) / 2;
    if (fits(widthsAt(middle))) low = middle;
    else high = middle;
  }
  return widthsAt(low);
}

/** Spearman's correlation. */
function rankCorrelation(pairs) {
  const ranks = (values) => {
    const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
    const result = [];
    order.forEach((at, rank) => (result[at] = rank));
    return result;
  };
  const [x, y] = [0, 1].map((k) => ranks(pairs.map((p) => p[k])));
  const d = x.reduce((sum, rank, i) => sum + (rank - y[i]) ** 2, 0);
  return 1 - (6 * d) / (pairs.length * (pairs.length ** 2 - 1));
}
