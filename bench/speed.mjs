// How fast reduced models are. Writes docs/measured.md.
//   npm run build && node bench/speed.mjs [name ...] [--asked] [--all] [--rows 64]
// --asked: `--speedup 2` on three models, at batch 1 and a larger one. --all: every model of ../shared/models at 70 % of its multiply-accumulates,
// at batch 1 and 16: none should be slower than it was. Both are measured in turn with the input; how fast a model is depends on its widths
// alone, so few rows will do to choose them. Without either, both.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { gatherRows, loadDataset } from '../dist/src/calibration/dataset.js';
import { dataInputs } from '../dist/src/condense/prepare.js';
import { BudgetError, condense, readModel } from '../dist/src/index.js';
import { interleavedLatency, pairedRatio } from '../dist/src/runtime/latency.js';
import { withSession } from '../dist/src/runtime/session.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const ASKED = [
  { name: 'drm19', batches: [1, 1024] },
  { name: 'resnet56-cifar10', batches: [1, 16] },
  { name: 'mobilenetv2-imagenet', batches: [1, 16] },
];
const SPEEDUP = 2;
const KEEP_MACS = 0.7;
const BATCHES = [1, 16];
const SECONDS = 2.5;
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    asked: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    rows: { type: 'string', default: '64' },
  },
});
const both = !options.asked && !options.all;
const wanted = (name) => positionals.length === 0 || positionals.includes(name);
const kept = keptResults('speed');
const entries = collectionEntries();
const keep = (key, result) => {
  console.log(`${key}: ${JSON.stringify(result)}`);
  kept.write(key, result);
};

if (both || options.asked)
  for (const { name, batches } of ASKED.filter((a) => wanted(a.name)))
    for (const batch of batches) keep(`asked-${name}-${batch}`, await asked(name, batch));
if (both || options.all)
  for (const { name } of entries.filter((e) => wanted(e.name))) keep(`all-${name}`, await cut(name));

await writeMeasured('speed', {
  asked: ASKED.flatMap(({ name, batches }) => batches.flatMap((batch) => kept.read(`asked-${name}-${batch}`))),
  all: entries.flatMap(({ name }) => kept.read(`all-${name}`)),
});

function settingsOf(entry) {
  const rows = Number(options.rows);
  return {
    data: [dataOf(entry, 'calib')],
    test: [dataOf(entry, 'test')],
    ...(entry.rows.calib > rows ? { maxRows: rows } : {}),
    trials: 0,
  };
}

async function asked(name, batch) {
  const entry = entries.find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  const { report } = await condense(model, { ...settingsOf(entry), speedup: SPEEDUP, latencyBatch: batch });
  const { input, output, latency, seconds } = report;
  return { name, asked: SPEEDUP, ...latency, macs: output.size.macs / input.size.macs, seconds: seconds.total };
}

/** A model at 70 % of its multiply-accumulates against itself. */
async function cut(name) {
  const entry = entries.find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  let reduced;
  let report;
  try {
    ({ model: reduced, report } = await condense(model, { ...settingsOf(entry), keepMacs: KEEP_MACS }));
  } catch (error) {
    if (error instanceof BudgetError) return { name, left: error.diagnostic.message };
    throw error;
  }
  if (report.status === 'unchanged') return { name, left: 'nothing can be removed' };
  const dataset = await loadDataset([dataOf(entry, 'test')], dataInputs(model));
  const session = { provider: 'cpu', purpose: 'latency' };
  const ratios = [];
  for (const batch of dataset.fixedBatch === undefined ? BATCHES : [dataset.fixedBatch]) {
    const feeds = gatherRows(
      dataset,
      Array.from({ length: batch }, (_, i) => i % dataset.rows),
    );
    const [before, after] = await withSession(model, session, (a) =>
      withSession(reduced, session, (b) => interleavedLatency([a, b], feeds, { seconds: SECONDS })),
    );
    const { median, quartiles } = pairedRatio(before, after);
    ratios.push({ batch, before: before.median, after: after.median, speedup: median, quartiles });
  }
  return { name, macs: report.output.size.macs / report.input.size.macs, ratios };
}
