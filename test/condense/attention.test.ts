import { afterAll, describe, expect, it } from 'vitest';
import { held } from '../../src/channels/weights.js';
import { exactReduction } from '../../src/condense/exact.js';
import { cloneModel, replaceConstant } from '../../src/graph/edit.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { condense } from '../../src/index.js';
import { Blas } from '../../src/runtime/blas.js';
import { cutChannels } from '../../passes/cut-channels.js';
import { HEAD, HEADS, TRANSFORMERS } from '../attention-networks.js';
import { siteMoments } from '../conv.js';
import { analyse, outputsOf, randomFeeds, relativeDifference, summary } from '../dense.js';
import { plant, type Plant } from '../fuzz/plant.js';
import { normals } from '../matrices.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const blas = new Blas();
afterAll(() => blas.release());

const example = (name: string): Model => TRANSFORMERS[name]!.model;
const widths = async (model: Model): Promise<Record<string, number | string>> => summary(await analyse(model));

/** One round of `exact`. */
async function reduce(model: Model): Promise<Model> {
  const analysis = await analyse(model);
  const moments = await siteMoments(model, analysis, randomFeeds(model, 20, 5));
  return (await cutChannels.run(model, await exactReduction(model, analysis, moments, 'weights', blas))).model;
}

/** Rewrites the columns of a weight [inputs, outputs] or a bias: what `column` makes of the numbers of each row. */
function withColumns(model: Model, name: string, rewrite: (row: Float64Array) => void): void {
  const old = held(model.graph, name);
  const data = toFloat64(old);
  const width = old.dims.at(-1)!;
  for (let at = 0; at < data.length; at += width) rewrite(data.subarray(at, at + width));
  replaceConstant(model.graph, name, floatTensor(name, old.dims, 'float32', data));
}

/** A block whose values' last channel is, in each head, a combination of the others there; weights of MatMul m and of the Add behind it. */
function withDependentValues(name: string, values: string): Model {
  const model = cloneModel(example(name));
  const weight = model.graph.nodes.find((n) => n.name === values)!.inputs[1]!;
  const bias = model.graph.nodes.find((n) => n.opType === 'Add' && n.inputs[1] === values)!.inputs[0]!;
  for (const constant of [weight, bias])
    withColumns(model, constant, (row) => {
      // The values are the last part of a packed projection.
      const first = row.length - HEADS * HEAD;
      for (let h = 0; h < HEADS; h++) {
        const next = normals(31 + h);
        const head = row.subarray(first + h * HEAD, first + (h + 1) * HEAD);
        head[HEAD - 1] = head.subarray(0, HEAD - 1).reduce((sum, v) => sum + next() * v, 0);
      }
    });
  return model;
}

describe('exact on transformers', () => {
  const PLANTS: [string, Plant][] = [
    ['MLP with SwiGLU', 'duplicate'],
    ['MLP with Gelu of Erf', 'unread'],
    ['separate projections', 'duplicate'],
    ['separate projections', 'scaled'],
    ['shapes that are asked for', 'scaled'],
    ['one projection, taken apart by Split', 'scaled'],
    ['one head', 'unread'],
    ['a block with LayerNormalization', 'duplicate'],
    ['a block without normalisation', 'duplicate'],
    ['a class token and positions', 'scaled'],
  ];

  it.each(PLANTS)('%s: finds a channel of each space that is planted (%s)', async (name, kind) => {
    const plain = example(name);
    let model = plain;
    const spaces = (await analyse(plain)).spaces.length;
    for (let id = 0; id < spaces; id++) {
      const analysis = await analyse(model);
      // An MLP's Gelu passes no factor.
      const possible = kind !== 'scaled' || analysis.spaces[id]!.homogeneity !== 'none';
      const planted = plant(model, analysis, analysis.spaces[id]!.channels[0]!, possible ? kind : 'duplicate');
      expect(planted).toBeDefined();
      model = planted!;
    }
    expect(await widths(model)).not.toEqual(await widths(plain));
    let reduced = model;
    for (let round = 0; round < spaces; round++) reduced = await reduce(reduced);
    expect(await widths(reduced)).toEqual(await widths(plain));
    expect(await relativeDifference(model, reduced, randomFeeds(model, 6, 9))).toBeLessThan(1e-5);
  });

  it('removes nothing where nothing is redundant', async () => {
    for (const name of ['separate projections', 'a block with LayerNormalization', 'a class token and positions']) {
      const model = example(name);
      expect(await reduce(model)).toBe(model);
    }
  });
});

describe('span on transformers', () => {
  it.each([
    ['separate projections', 'm3', 8, 6],
    ['one projection, taken apart by Split', 'm1', 24, 22],
    ['one projection, taken apart by a Split without sizes', 'm1', 24, 22],
    ['one projection, in thirds of what its width is', 'm1', 24, 22],
    ['lengths computed from the width of the stream', 'm4', 8, 6],
    ['a block with LayerNormalization', 'm4', 8, 6],
  ])('%s: values that depend on the others of their head go without a loss', async (name, values, before, after) => {
    const model = withDependentValues(name, values);
    const x = randomFeeds(model, 120).get('x')!;
    const { model: reduced, report } = await condense(model, {
      data: [writeNpz(folder(), 'data.npz', { x })],
      keep: new Map([[values, after]]),
      tolerance: 'nrmse=1e-4',
    });
    expect(report.status).toBe('reduced');
    const node = report.nodes.find((n) => n.node === values);
    expect([node?.before, node?.after]).toEqual([before, after]);
    const product = report.nodes.find((n) => n.before === HEAD);
    expect(product?.after).toBe(HEAD - 1);
    const feeds = randomFeeds(model, 7, 77);
    expect(await relativeDifference(model, reduced, feeds)).toBeLessThan(1e-4);
    expect([...(await outputsOf(reduced, feeds)).values()].every((v) => v.dims[0] === 7)).toBe(true);
  });
});
