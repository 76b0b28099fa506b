import { describe, expect, it } from 'vitest';
import { rotateStreams } from '../../passes/rotate-streams.js';
import { linearStreams } from '../../src/channels/linear-streams.js';
import type { Model } from '../../src/graph/ir.js';
import { convModel, type Net } from '../conv.js';
import { EXAMPLES } from '../conv-networks.js';
import { analyse, outputsOf, randomFeeds, relativeDifference, snapshot } from '../dense.js';
import { orthogonal } from '../orthogonal.js';

const ROWS = 2;

/** The nodes that make each linear stream. */
async function streams(model: Model): Promise<string[]> {
  return linearStreams(await analyse(model, ROWS)).map(({ producers }) => producers.map((n) => n.name).join('+'));
}

/** Every linear stream turned by a random orthogonal matrix. */
async function turned(model: Model): Promise<Model> {
  const analysis = await analyse(model, ROWS);
  const rotations = linearStreams(analysis).map((space, i) => ({ space, Q: orthogonal(space.channels.length, i + 3) }));
  return (await rotateStreams.run(model, { analysis, rotations })).model;
}

const bottleneck = (between: (net: Net, x: string) => string): Model =>
  convModel([4, 6, 6], (net) => {
    const wide = net.op('Relu', [net.conv('x', [4, 8])]);
    return net.conv(between(net, net.conv(wide, [8, 5], { kernel: [1, 1], attributes: {} })), [5, 3]);
  });

describe('linear streams', () => {
  it('are found behind additions, average pools and changes of layout', async () => {
    expect(await streams(bottleneck((_, x) => x))).toEqual(['c2']);
    expect(await streams(bottleneck((net, x) => net.op('AveragePool', [x], { kernel_shape: [2, 2] })))).toEqual(['c2']);
    const residual = bottleneck((net, x) => {
      const hidden = net.op('Relu', [net.conv(x, [5, 7])]);
      return net.op('Add', [x, net.conv(hidden, [7, 5])]);
    });
    expect(await streams(residual)).toEqual(['c2+c4']);
  });

  it.each([
    ['an activation', (net: Net, x: string) => net.op('Relu', [x])],
    ['depthwise weights', (net: Net, x: string) => net.depthwise(x, 5)],
    ['a maximum over space', (net: Net, x: string) => net.op('MaxPool', [x], { kernel_shape: [2, 2] })],
    ['a gate', (net: Net, x: string) => net.op('Mul', [x, net.op('Sigmoid', [net.op('GlobalAveragePool', [x])])])],
    [
      'different fates of two halves',
      (net: Net, x: string) => {
        const [a = '', b = ''] = net.ops('Split', [x, net.ints(2, 3)], 2, { axis: 1 });
        const shifted = net.op('Pad', [
          net.op('Slice', [b, net.ints(1), net.ints(6), net.ints(2)]),
          net.ints(0, 0, 1, 0, 0, 0, 0, 0),
        ]);
        return net.op('Concat', [a, shifted], { axis: 1 });
      },
    ],
  ])('are not there behind %s', async (_, between) => {
    expect(await streams(bottleneck(between))).toEqual([]);
  });
});

describe('rotate-streams', () => {
  it.each(Object.entries(EXAMPLES))('%s: computes the same in any basis', async (_, { model }) => {
    expect(await relativeDifference(model, await turned(model), randomFeeds(model, ROWS))).toBeLessThan(2e-5);
  });

  it('turns biases, per-channel constants and every reader, and leaves its input alone', async () => {
    const model = convModel([4, 6, 6], (net) => {
      const stream = net.op('Add', [net.conv('x', [4, 6]), net.made([6, 1, 1])]);
      const branch = net.conv(net.op('Relu', [net.conv(stream, [6, 8])]), [8, 6], { bias: false });
      const sum = net.op('Add', [stream, branch]);
      const flat = net.op('Flatten', [net.op('GlobalAveragePool', [sum])]);
      return [net.gemm(flat, [6, 3]), net.transposed(sum, [6, 2])];
    });
    expect(await streams(model)).toEqual(['c1+c3']);
    const before = snapshot(model);
    const after = await turned(model);
    expect(snapshot(model)).toBe(before);
    const feeds = randomFeeds(model, ROWS);
    expect(await relativeDifference(model, after, feeds)).toBeLessThan(2e-5);
    const inside = (m: Model): Model => ({
      ...m,
      graph: { ...m.graph, outputs: [{ name: 'c1', dtype: 'float32', shape: undefined }] },
    });
    const [x, y] = [
      (await outputsOf(inside(model), feeds)).get('c1')!,
      (await outputsOf(inside(after), feeds)).get('c1')!,
    ];
    expect([...y.data]).not.toEqual([...x.data]);
  });
});
