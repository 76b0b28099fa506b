// What `--max-error nrmse=1e-2` finds against the smallest model that a dense sweep finds (as `sweep` plans it): sizes in small steps, each made and measured
// on the same check rows. Writes docs/measured.md.
//   npm run build && node bench/max-error.mjs [name ...]
import path from 'node:path';
import { chooseViews } from '../dist/src/channels/sites.js';
import { acceptanceOf } from '../dist/src/condense/acceptance.js';
import { limitsOf } from '../dist/src/condense/budget.js';
import { ALL_FOLDS, prepare } from '../dist/src/condense/prepare.js';
import { SpanModel } from '../dist/src/condense/span-model.js';
import { WidthSearch } from '../dist/src/condense/width-search.js';
import { parameterCount, readModel } from '../dist/src/index.js';
import { WidthCost } from '../dist/src/plan/cost.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { compareModels } from '../dist/src/verify/compare-models.js';
import { COLLECTION, collectionEntries, dataOf } from './data/raw-images.mjs';
import { keptResults } from './kept.mjs';
import { writeMeasured } from './measured-document.mjs';

const NAMES = [
  ...[
    'h2-combustion',
    'drm19',
    'eran-relu-9x200',
    'acasxu-1-1',
    'mlperf-vww-mobilenetv1',
    'phasenet',
    'cms-particlenet-ak4',
  ],
  ...['mnist-fc-256x4', 'sac-halfcheetah', 'openwakeword-alexa'],
];
const LIMIT = 1e-2;
/** Sizes of the sweep fall by this, from a little above what was found until this many in a row are beyond the limit. */
const STEP = 0.975;
const ABOVE = 1.06;
const MISSES = 5;
const kept = keptResults('max-error');

for (const name of NAMES.filter((n) => process.argv.length < 3 || process.argv.includes(n))) {
  const result = await measure(name);
  console.log(JSON.stringify(result));
  kept.write(name, result);
}
await writeMeasured(
  'max-error',
  NAMES.flatMap((name) => kept.read(name)),
);

async function measure(name) {
  const entry = collectionEntries().find((e) => e.name === name);
  const model = await readModel(path.join(COLLECTION, entry.model));
  const settings = { data: [dataOf(entry, 'calib')], test: [dataOf(entry, 'test')] };
  const blas = new Blas();
  const plain = await prepare(model, settings, blas);
  const prepared = { ...plain, analysis: chooseViews(plain.analysis, plain.memory / 4) };
  const cost = new WidthCost(prepared.original, prepared.analysis, prepared.shapes, prepared.probed);
  const span = await SpanModel.open(prepared, settings, new Map());
  const search = await WidthSearch.open(span, cost, new Map(), 8);
  const errorOf = async (widths) => {
    const { model: reduced } = await span.build(widths, ALL_FOLDS);
    const { data, session, input } = prepared;
    const report = await compareModels(input, reduced, data.checkData, data.checkRows, {
      ...{ session, batch: data.batch, tolerance: undefined, exact: false, rowTolerance: undefined },
      ...{ classes: [], farthest: undefined },
    });
    return Math.max(...report.outputs.map((o) => o.nrmse ?? 0));
  };
  const start = performance.now();
  const { widths, error: validation } = await search.smallest(acceptanceOf(prepared, LIMIT), []);
  const seconds = (performance.now() - start) / 1000;
  const found = { parameters: cost.parameters(widths), nrmse: await errorOf(widths), validation };
  const full = parameterCount(model);
  const sweep = [];
  for (let size = found.parameters * ABOVE, misses = 0; misses < MISSES; size *= STEP) {
    const limits = limitsOf(prepared, { keepParams: size / full }, cost);
    const planned = search.planned(limits);
    const nrmse = await errorOf(planned);
    sweep.push({ parameters: cost.parameters(planned), nrmse });
    misses = nrmse <= LIMIT ? 0 : misses + 1;
  }
  await blas.release();
  const smallest = Math.min(...sweep.filter((s) => s.nrmse <= LIMIT).map((s) => s.parameters), found.parameters);
  return { name, full, found, smallest, sweep, seconds };
}
