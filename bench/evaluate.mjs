// What models of ../shared/models compute on rows, and the measures that its index.json names for them.
import { readdirSync } from 'node:fs';
import { gatherRows, loadDataset } from '../dist/src/calibration/dataset.js';
import { dataInputs } from '../dist/src/condense/prepare.js';
import { Session } from '../dist/src/runtime/session.js';

/** Rows of a dataset for a model, from data specifications. */
export function rowsFor(model, specs, images) {
  return loadDataset(specs, dataInputs(model), { images });
}

/** The outputs of a model for all rows, by name: { data, size } with `size` numbers for each row. */
export async function outputsFor(model, dataset, batch = 64) {
  const session = await Session.open(model, { provider: 'cpu' });
  const step = dataset.fixedBatch ?? batch;
  const parts = new Map(model.graph.outputs.map((o) => [o.name, []]));
  for (let start = 0; start < dataset.rows; start += step) {
    const rows = Int32Array.from({ length: Math.min(step, dataset.rows - start) }, (_, i) => start + i);
    const outputs = await session.run(gatherRows(dataset, rows));
    for (const [name, list] of parts) list.push(outputs.get(name).data);
  }
  await session.release();
  return new Map(
    [...parts].map(([name, list]) => {
      const data = Float32Array.from(list.flatMap((part) => Array.from(part, Number)));
      return [name, { data, size: data.length / dataset.rows }];
    }),
  );
}

/** Index of the largest number of each row. */
export function argmax({ data, size }) {
  return Array.from({ length: data.length / size }, (_, row) => {
    let best = 0;
    for (let i = 1; i < size; i++) if (data[row * size + i] > data[row * size + best]) best = i;
    return best;
  });
}

export const share = (hits) => hits.filter(Boolean).length / hits.length;

/** Share of rows on which two outputs have the same largest entry. */
export function agreement(a, b) {
  const [x, y] = [argmax(a), argmax(b)];
  return share(x.map((v, i) => v === y[i]));
}

/** Class indices in the names of the images in a folder, in the order in which the folder is read. */
export function labelsOfFolder(folder) {
  return readdirSync(folder)
    .sort()
    .map((name) => Number(/class(\d+)/.exec(name)[1]));
}

const numbers = (dataset, name) => Array.from(dataset.extras.get(name).data, Number);

/** The measures by kind: (entry's metric, outputs, dataset) → number. Larger is better, except for `mae`. */
export const METRICS = {
  top1: ({ output, labels }, outputs, dataset) =>
    share(argmax(outputs.get(output)).map((v, i) => v === numbers(dataset, labels)[i])),
  mae: ({ output, labels }, outputs, dataset) => {
    const target = numbers(dataset, labels);
    return outputs.get(output).data.reduce((sum, v, i) => sum + Math.abs(v - target[i]), 0) / target.length;
  },
  /** Area under the ROC curve of clips' mean squared reconstruction errors. */
  auc: ({ output, input, labels, group }, outputs, dataset) => {
    const { data, size } = outputs.get(output);
    const wanted = dataset.inputs.find((i) => i.name === input).array.data;
    const clips = new Map();
    const [of, anomalous] = [numbers(dataset, group), numbers(dataset, labels)];
    for (let row = 0; row < of.length; row++) {
      let sum = 0;
      for (let i = row * size; i < (row + 1) * size; i++) sum += (data[i] - wanted[i]) ** 2;
      const clip = clips.get(of[row]) ?? { sum: 0, rows: 0, anomalous: anomalous[row] === 1 };
      clips.set(of[row], { ...clip, sum: clip.sum + sum / size, rows: clip.rows + 1 });
    }
    const scores = [...clips.values()].map((c) => ({ score: c.sum / c.rows, anomalous: c.anomalous }));
    const [bad, good] = [scores.filter((s) => s.anomalous), scores.filter((s) => !s.anomalous)];
    let wins = 0;
    for (const a of bad) for (const b of good) wins += a.score > b.score ? 1 : a.score === b.score ? 0.5 : 0;
    return wins / (bad.length * good.length);
  },
  /** Share of picks within half a second (50 samples), mean of P (channel 1) and S (channel 2). */
  picks: ({ output, labels }, outputs, dataset) => {
    const { data, size } = outputs.get(output);
    const length = size / 3;
    const hits = labels.map((label, k) => {
      const wanted = numbers(dataset, label);
      return share(
        wanted.map((at, row) => {
          const channel = data.subarray(row * size + (k + 1) * length, row * size + (k + 2) * length);
          const best = channel.indexOf(channel.reduce((a, b) => Math.max(a, b)));
          return Math.abs(best - at) <= 50;
        }),
      );
    });
    return hits.reduce((a, b) => a + b, 0) / hits.length;
  },
  pixels: ({ output, pixels }, outputs) => {
    const { data } = outputs.get(output);
    return data.reduce((a, b) => a + b, 0) / data.length / pixels;
  },
};
