// Beside and together with the tools that people chain: onnxsim, and static quantisation by onnxruntime for Python (which has to be installed, with
// numpy and onnx). File size, error and time of the original, simplified, quantised, condensed, and condensed and quantised model, run in turn
// within one process. Writes docs/measured.md.
//   npm run build && node bench/quantise.mjs [name ...]
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { simplify } from 'onnxsim';
import { bench, condense, verify, writeModel } from '../dist/src/index.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const RUNS = [
  { name: 'drm19', keepParams: 0.25, trials: 0, batch: 64 },
  { name: 'mlperf-kws-dscnn', keepParams: 0.7, batch: 16 },
  { name: 'mobilenetv2-cifar10', keepParams: 0.115, batch: 16, classes: ['logits'] },
];
const kept = keptResults('quantise');
const script = fileURLToPath(new URL('../test/chains/quantise.py', import.meta.url));

for (const run of RUNS.filter(({ name }) => process.argv.length < 3 || process.argv.includes(name)))
  kept.write(run.name, await measure(run));
await writeMeasured(
  'quantise',
  RUNS.flatMap(({ name }) => kept.read(name)),
);

async function measure({ name, keepParams, trials, batch, classes = [] }) {
  const entry = collectionEntries().find((e) => e.name === name);
  const original = path.join(COLLECTION, entry.model);
  const made = (way) => path.join(kept.folder, `${name}-${way}.onnx`);
  const [data, test] = [[dataOf(entry, 'calib')], [dataOf(entry, 'test')]];

  writeFileSync(made('simplified'), (await simplify(readFileSync(original))).model);
  const settings = { keepParams, classes, gate: false, ...(trials === undefined ? {} : { trials }) };
  await writeModel((await condense(original, { ...settings, data, test })).model, made('condensed'));
  for (const [from, to] of [
    [original, made('quantised')],
    [made('condensed'), made('both')],
  ])
    quantise(from, to, data[0]);

  const ways = ['original', 'onnxsim', 'quantised', 'condensed', 'condensed, then quantised'];
  const files = [original, ...['simplified', 'quantised', 'condensed', 'both'].map(made)];
  const timed = await bench(files, { data: test, batch: [1, batch], seconds: 10 });
  const results = [];
  for (const [i, file] of files.entries()) {
    const { outputs } = await verify(original, file, { data: test, classes });
    const worst = outputs.toSorted((a, b) => b.nrmse - a.nrmse)[0];
    results.push({
      name,
      way: ways[i],
      bytes: timed.models[i].bytes,
      nrmse: worst.nrmse,
      agreement: classes.length > 0 || entry.metric?.kind === 'top1' ? worst.agreement : null,
      times: timed.batches.map((b) => ({ batch: b.batch, speedup: b.figures[i].speedup })),
    });
    console.log(JSON.stringify(results.at(-1)));
  }
  return results;
}

function quantise(from, to, data) {
  const { status, stderr } = spawnSync('python3', [script, 'static', from, to, data], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`onnxruntime for Python does not quantise ${from}: ${stderr}`);
}
