import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { loadDataset } from '../../src/calibration/dataset.js';
import { condense, readModel, verify } from '../../src/index.js';
import { dataInputs } from '../../src/condense/prepare.js';
import type { Model } from '../../src/graph/ir.js';
import { Session } from '../../src/runtime/session.js';
import { temporaryFolders } from '../temporary-folder.js';
import { collection, entry, fileOf, ownData } from './collection.js';

const folder = temporaryFolders();
const NAME = 'mlperf-kws-dscnn';

const TOP1 = `export const name = 'top-1';
export function score({ n12 }, feeds, { labels }) {
  const classes = n12.dims[1];
  const best = (r) => {
    const row = n12.data.subarray(r * classes, (r + 1) * classes);
    return row.indexOf(Math.max(...row));
  };
  return labels.data.filter((label, r) => best(r) === Number(label)).length / labels.data.length;
}`;

/** Top-1 accuracy on the test rows, one run of the graph, counted by hand. */
async function accuracy(model: Model): Promise<number> {
  const dataset = await loadDataset(ownData(entry(NAME)).test!, dataInputs(model));
  const session = await Session.open(model, { provider: 'cpu' });
  try {
    const { name, array } = dataset.inputs[0]!;
    const scores = (await session.run(new Map([[name, array]]))).get('n12')!.data as Float32Array;
    let right = 0;
    for (let r = 0; r < dataset.rows; r++) {
      let best = 0;
      for (let c = 1; c < 12; c++) if (scores[r * 12 + c]! > scores[r * 12 + best]!) best = c;
      if (best === Number(dataset.extras.get('labels')!.data[r])) right++;
    }
    return right / dataset.rows;
  } finally {
    await session.release();
  }
}

it.skipIf(collection === undefined)('the accuracy of the keyword model is what counting by hand gives', async () => {
  const metric = path.join(folder(), 'top1.mjs');
  writeFileSync(metric, TOP1);
  const { model: file, calib, test } = entry(NAME);
  const original = await readModel(fileOf(file));
  const { model, report } = await condense(original, {
    data: [fileOf(calib.file)],
    test: [fileOf(test.file)],
    keepParams: 0.7,
    metric,
  });
  const score = report.verification!.score!;
  expect(score).toEqual({
    name: 'top-1',
    higherIsBetter: true,
    original: await accuracy(original),
    reduced: await accuracy(model),
  });
  // What the collection says of the model.
  expect(score.original).toBeCloseTo(0.892256, 6);
  expect(score.reduced).not.toBe(score.original);
  // In runs that do not divide the rows.
  const again = await verify(original, model, { data: [fileOf(test.file)], metric, batch: 100 });
  expect(again.score).toEqual(score);
});
