// Real networks made smaller without training: the measure of each before and after, on rows that no fit saw. Writes docs/measured.md.
//   npm run build && node bench/models.mjs [name[@ratio] ...]
// Each reduction runs in a process of its own, so that its memory is its own; results are kept in out/models and gone on from.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { condense, parameterCount, readModel } from '../dist/src/index.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { agreement, labelsOfFolder, METRICS, outputsFor, rowsFor } from './evaluate.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const RUNS = [
  ...[0.7, 0.5, 0.15, 0.115].map((ratio) => ({ name: 'mobilenetv2-cifar10', ratio })),
  ...[0.7, 0.5].map((ratio) => ({ name: 'mobilenetv2-imagenet', ratio })),
  ...[
    ...['mlperf-resnet8', 'mlperf-vww-mobilenetv1', 'mlperf-kws-dscnn', 'mlperf-ad-autoencoder', 'phasenet'],
    ...['yunet-dynamic', 'ultraface-rfb-320', 'ppocr-v3-det'],
  ].map((name) => ({ name, ratio: 0.7 })),
];
/** The images that mobilenetv2-imagenet is fitted and judged on: one of each class, other classes in the two folders. */
const IMAGES = { scale: [1 / 127.5], mean: [1] };
const kept = keptResults('models');
const key = ({ name, ratio }) => `${name}@${ratio}`;

const wanted = process.argv.slice(2).filter((a) => a !== '--one');
if (process.argv.includes('--one')) {
  const run = RUNS.find((r) => key(r) === wanted[0]);
  console.log(JSON.stringify(await measure(run)));
} else {
  for (const run of RUNS.filter((r) => wanted.length === 0 || wanted.includes(r.name) || wanted.includes(key(r)))) {
    if (wanted.length === 0 && kept.read(key(run)).length > 0) continue;
    const { stdout, status } = spawnSync(process.execPath, [fileURLToPath(import.meta.url), '--one', key(run)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    });
    if (status === 0) kept.write(key(run), JSON.parse(stdout));
    console.log(`${key(run)}: ${status === 0 ? stdout.trim() : `exit ${status}`}`);
  }
  writeMeasured(
    'models',
    RUNS.flatMap((run) => kept.read(key(run))),
  );
}

async function measure({ name, ratio }) {
  const entry = collectionEntries().find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  const inFolders = name === 'mobilenetv2-imagenet';
  const part = (which) => (inFolders ? path.join(COLLECTION, name, 'images', which) : dataOf(entry, which));
  const images = inFolders ? { images: IMAGES } : {};
  const start = performance.now();
  const { model: reduced, report } = await condense(model, {
    data: [part('calib')],
    test: [part('test')],
    keepParams: ratio,
    ...images,
  });
  const seconds = (performance.now() - start) / 1000;
  const memory = process.resourceUsage().maxRSS * 1024;
  const rows = await rowsFor(model, [part('test')], images.images);
  const [before, after] = [await outputsFor(model, rows), await outputsFor(reduced, rows)];
  const { kind } = entry.metric;
  const classes = inFolders ? new Map([['labels', { data: labelsOfFolder(part('test')) }]]) : rows.extras;
  const metric = (outputs) =>
    kind === 'none' ? null : METRICS[kind](entry.metric, outputs, { ...rows, extras: classes });
  const [first] = model.graph.outputs.map((o) => o.name);
  return {
    name,
    ratio,
    parameters: [parameterCount(model), parameterCount(reduced)],
    macs: [report.input.size.macs, report.output.size.macs],
    kind,
    metric: [metric(before), metric(after)],
    agreement: kind === 'top1' ? agreement(before.get(first), after.get(first)) : null,
    nrmse: Math.max(...report.verification.outputs.map((o) => o.nrmse ?? 0)),
    rows: report.rows,
    seconds,
    memory,
  };
}
