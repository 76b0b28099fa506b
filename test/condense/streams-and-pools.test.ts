import { beforeEach, describe, expect, it } from 'vitest';
import { condense, type CondenseOptions, type Model } from '../../src/index.js';
import { replaceConstant } from '../../src/graph/edit.js';
import { floatTensor, toFloat64 } from '../../src/graph/tensor-data.js';
import { convModel } from '../conv.js';
import { relativeDifference, randomFeeds } from '../dense.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
let here: string;
beforeEach(() => {
  here = folder();
});

const data = (model: Model, rows: number): string =>
  writeNpz(here, `${rows}.npz`, Object.fromEntries(randomFeeds(model, rows, 7)));
const passNames = (report: Awaited<ReturnType<typeof condense>>['report']): string[] =>
  report.passes.filter((p) => p.changed).map((p) => p.name);

describe('a linear stream', () => {
  /** A stream of 8 channels of which the consumer reads 3 directions, none of them along a channel. */
  const model = convModel([3, 5, 5], (net) => {
    const wide = net.op('Tanh', [net.conv('x', [3, 8])]);
    const stream = net.conv(wide, [8, 8], { kernel: [1, 1], attributes: {} });
    const read = net.conv(stream, [8, 3], { kernel: [1, 1], attributes: {} });
    return net.conv(net.op('Tanh', [read]), [3, 2]);
  });
  const run = (streams: NonNullable<CondenseOptions['streams']>) =>
    condense(model, {
      data: [data(model, 60)],
      keep: new Map([['c2', 3]]),
      include: ['c2'],
      streams,
      tolerance: 'nrmse=1',
    });

  it('keeps the subspace that its consumer reads, where a subset of its channels loses much', async () => {
    const [rotated, selected] = [await run('rotate'), await run('select')];
    expect(passNames(rotated.report)).toEqual(['rotate-streams', 'cut-channels', 'refit-in-sequence']);
    expect(passNames(selected.report)).toEqual(['cut-channels', 'refit-in-sequence']);
    expect(rotated.report.output.size).toEqual(selected.report.output.size);
    const feeds = randomFeeds(model, 20, 99);
    expect(await relativeDifference(model, rotated.model, feeds)).toBeLessThan(1e-4);
    expect(await relativeDifference(model, selected.model, feeds)).toBeGreaterThan(1e-3);
  });

  it('stays as it is while nothing of it goes', async () => {
    const { report } = await condense(model, {
      data: [data(model, 60)],
      keep: new Map([
        ['c1', 6],
        ['c2', 8],
      ]),
      include: ['c1', 'c2'],
      tolerance: 'nrmse=1',
    });
    expect(report.nodes.map((n) => n.after)).toEqual([6, 8, 3, 2]);
    expect(passNames(report)).toEqual(['cut-channels', 'refit-in-sequence']);
  });
});

describe('a classifier behind global average pooling', () => {
  /** 12 channels, every second one a multiple of the one before, pooled over 30 positions. */
  const planted = convModel([3, 5, 6], (net) => {
    const y = net.op('Relu', [net.conv('x', [3, 12], { kernel: [1, 1], attributes: {} })]);
    return net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [y])]), [12, 4]);
  });
  const [, weight = '', bias = ''] = planted.graph.nodes.find((n) => n.name === 'c1')!.inputs;
  for (const name of [weight, bias]) {
    const tensor = planted.graph.initializers.get(name)!;
    const values = toFloat64(tensor);
    const each = values.length / 12;
    values.forEach((_, i) => {
      const channel = Math.floor(i / each);
      if (channel % 2 === 1) values[i] = channel * values[i - each]!;
    });
    replaceConstant(planted.graph, name, floatTensor(name, tensor.dims, 'float32', values));
  }

  it('is fitted to what holds at every position when there are fewer rows than channels', async () => {
    const { model, report } = await condense(planted, {
      data: [data(planted, 8)],
      keep: new Map([['c1', 6]]),
      roundTo: 1,
      tolerance: 'nrmse=1',
    });
    expect(report.nodes.find((n) => n.node === 'c1')!.after).toBe(6);
    expect(await relativeDifference(planted, model, randomFeeds(planted, 50, 99))).toBeLessThan(1e-3);
  });
});
