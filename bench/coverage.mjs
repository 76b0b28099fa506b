// What can be condensed of each model of ../shared/models, and what it costs: writes docs/coverage.md.
//   npm run build && node bench/coverage.mjs [--only name,...] [--max-rows 2000] [--minutes 5] [--redo] [--table]
// For each model, in a process of its own: the share of its parameters in condensable spaces, `exact`, span at 0.7 of the parameters (no
// gate), the smallest of 0.9, 0.8, ... 0.3 that passes the default gate (by halving), and every refusal. out/coverage/<name>.json is written
// after each step and kept: a later call goes on with what is missing (--redo: again). --table only writes the document.
import { spawnSync } from 'node:child_process';
import { onnxCheckerVerdicts } from '../scripts/onnx-checker.mjs';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { condensingSites } from '../dist/src/channels/sites.js';
import { collectModelMoments } from '../dist/src/condense/model-moments.js';
import { batchesOf, prepare } from '../dist/src/condense/prepare.js';
import { diagonal } from '../dist/src/linalg/matrix.js';
import { regularisedInverse } from '../dist/src/linalg/regularised.js';
import { correlation } from '../dist/src/linalg/standardise.js';
import { held } from '../dist/src/channels/weights.js';
import { label } from '../dist/src/channels/tracker.js';
import { elementCount, isFloat } from '../dist/src/graph/tensor.js';
import { BudgetError, condense, parameterCount, readModel, writeModel } from '../dist/src/index.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { coverageDocument } from './coverage-document.mjs';

const RATIO = 0.7;
/** What float32 sums resolve of a correlation. */
const SMALL = 1e-6;
const RATIOS = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3];
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = path.join(root, 'out/coverage');
const fileOf = (name) => path.join(folder, `${name}.json`);
const stored = (name) => (existsSync(fileOf(name)) ? JSON.parse(readFileSync(fileOf(name), 'utf8')) : undefined);

const { values: options } = parseArgs({
  options: {
    only: { type: 'string' },
    'max-rows': { type: 'string', default: '2000' },
    minutes: { type: 'string', default: '5' },
    redo: { type: 'boolean', default: false },
    table: { type: 'boolean', default: false },
    // One model, in this process.
    model: { type: 'string' },
  },
});
const entries = collectionEntries();
mkdirSync(folder, { recursive: true });
if (options.model !== undefined) {
  await measure(
    entries.find((e) => e.name === options.model),
    Number(options['max-rows']),
  );
} else {
  const only = options.only?.split(',');
  for (const { name } of options.table ? [] : entries.filter((e) => only?.includes(e.name) ?? true)) {
    const before = stored(name);
    if (before?.finished && before.unexplained !== undefined && !options.redo) continue;
    if (options.redo && before !== undefined) writeFileSync(fileOf(name), '{}');
    const start = performance.now();
    const args = ['--model', name, '--max-rows', options['max-rows']];
    const { status, signal } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
      timeout: Number(options.minutes) * 60_000,
      killSignal: 'SIGKILL',
    });
    const end = signal !== null ? `stopped after ${options.minutes} min` : status === 0 ? 'done' : `exit ${status}`;
    console.error(`${name}: ${end}, ${((performance.now() - start) / 1000).toFixed(0)} s`);
    if (signal !== null)
      writeFileSync(fileOf(name), JSON.stringify({ ...stored(name), stoppedAfter: Number(options.minutes) }, null, 1));
  }
  const results = entries.map((e) => ({ ...stored(e.name), name: e.name, rows: e.rows })).filter((r) => r.parameters);
  writeFileSync(path.join(root, 'docs/coverage.md'), coverageDocument(results, entries.length));
}

/** Measures one model step by step; a step that is there already is not done again. */
async function measure(entry, maxRows) {
  const { name } = entry;
  const model = await readModel(path.join(COLLECTION, entry.model));
  const data = {
    data: [dataOf(entry, 'calib')],
    test: [dataOf(entry, 'test')],
    ...(entry.rows.calib > maxRows ? { maxRows } : {}),
  };
  const { stoppedAfter: _, ...done } = stored(name) ?? {};
  let result = { runs: {}, ...done, maxRows: data.maxRows ?? null };
  const save = (more) => writeFileSync(fileOf(name), JSON.stringify((result = { ...result, ...more }), null, 1));

  if (result.parameters === undefined) save(await describe(model, data));
  const run = async (key, settings) => (result.runs[key] ??= await attempt(model, { ...data, ...settings }, entry));
  if (result.unexplained === undefined) save({ unexplained: await unexplained(model, data) });
  await run(String(RATIO), { keepParams: RATIO });
  save();
  await run('exact', { method: 'exact' });
  save();
  // The ratios fall along the list; all before `first` pass, from `last` on none does.
  const passes = async (i) => {
    const { passed } = await run(String(RATIOS[i]), { keepParams: RATIOS[i] });
    save();
    return passed;
  };
  let [first, last] = [0, RATIOS.length];
  for (let i = RATIOS.indexOf(RATIO); first < last; i = (first + last) >> 1) {
    if (await passes(i)) first = i + 1;
    else last = i;
  }
  save({ smallestPassing: first === 0 ? null : RATIOS[first - 1], finished: true });
}

/** What the analysis says: parameters in tensors that lose something with a channel, and each node's refusal. */
async function describe(model, data) {
  const blas = new Blas();
  try {
    const { original, analysis } = await prepare(model, data, blas);
    const touched = [...new Set(analysis.cuts.map((c) => c.holder))].map((holder) => held(original.graph, holder));
    const sizes = touched.filter((t) => isFloat(t.dtype)).map((t) => elementCount(t.dims));
    return {
      parameters: parameterCount(model),
      folded: parameterCount(original),
      condensable: sizes.filter((s) => s > 1).reduce((a, b) => a + b, 0),
      nodes: analysis.targets.map(({ node, refusal }) => ({ node: label(node), opType: node.opType, refusal })),
    };
  } finally {
    await blas.release();
  }
}

/**
 * How much is there to be found: the share of a channel's variance that a linear combination of all the other channels at its consumer's input
 * does not explain, 1 / [R⁻¹]_jj on all calibration rows; the median over a site's channels, then over the sites. Null without any.
 */
async function unexplained(model, data) {
  const blas = new Blas();
  try {
    const prepared = await prepare(model, data, blas);
    const sites = condensingSites(prepared.analysis).filter((s) => s.features.length > 1);
    if (sites.length === 0) return null;
    const folds = prepared.data.folds.map((_, fold) => fold);
    const moments = await collectModelMoments(
      prepared,
      batchesOf(prepared.data, folds, () => 0),
      {},
    );
    const shares = [];
    for (const site of sites) {
      const { R, scale } = correlation(moments.all(site).xx(true));
      const { result } = await regularisedInverse(R, SMALL, blas);
      const inverse = diagonal(result).filter((_, i) => scale[i] > 0);
      if (inverse.length > 1) shares.push(median([...inverse].map((v) => 1 / v)));
    }
    return shares.length === 0 ? null : median(shares);
  } finally {
    await blas.release();
  }
}

function median(values) {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

/** What onnx.checker says of a model: an empty text where it is valid; null without the package. */
async function checkerVerdict(model) {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'onnx-condense-'));
  try {
    const file = path.join(folder, 'model.onnx');
    await writeModel(model, file);
    return onnxCheckerVerdicts([file])?.[0] ?? null;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One reduction: its figures, or why there is none. */
async function attempt(model, settings, entry) {
  const start = performance.now();
  const seconds = () => Number(((performance.now() - start) / 1000).toFixed(1));
  try {
    const { model: reduced, report } = await condense(model, settings);
    const outputs = report.verification?.outputs ?? [];
    const scores = outputs.filter((o) => o.classScores || o.output === entry.metric.output);
    const worst = (list, pick) => (list.length === 0 ? null : list.map((o) => o ?? 0).reduce((a, b) => pick(a, b)));
    return {
      status: report.status,
      passed: report.status !== 'check-failed',
      ratio: parameterCount(reduced) / parameterCount(model),
      nrmse: worst(
        outputs.filter((o) => o.nrmse !== null).map((o) => o.nrmse),
        Math.max,
      ),
      relative: worst(
        outputs.map((o) => o.relative),
        Math.max,
      ),
      agreement:
        entry.metric.kind === 'top1' || scores.some((o) => o.classScores)
          ? worst(
              scores.map((o) => o.agreement),
              Math.min,
            )
          : null,
      failures: report.verification?.verdict.failures.map((f) => `${f.output}: ${f.measure} ${f.value}`) ?? [],
      warnings: report.warnings.map((w) => w.code),
      rows: report.rows,
      checker: await checkerVerdict(reduced),
      seconds: seconds(),
    };
  } catch (error) {
    if (!(error instanceof BudgetError))
      return { status: 'crash', passed: false, message: error.stack, seconds: seconds() };
    const { message } = error.diagnostic;
    return { status: 'too-large', passed: false, message, seconds: seconds() };
  }
}
