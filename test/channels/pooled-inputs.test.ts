import { describe, expect, it } from 'vitest';
import { beforePooling } from '../../src/channels/pooled-inputs.js';
import type { Model } from '../../src/graph/ir.js';
import { probeShapes } from '../../src/runtime/shapes.js';
import { convModel, type Net } from '../conv.js';
import { analyse, CPU, randomFeeds } from '../dense.js';

const ROWS = 3;

/** Per consumer behind a pooling: the map that it reads the mean of, and the positions of that. */
async function found(model: Model): Promise<Record<string, string>> {
  const shapes = await probeShapes(model, randomFeeds(model, ROWS), CPU);
  const pairs = [...beforePooling(model, await analyse(model, ROWS), shapes)];
  return Object.fromEntries(
    pairs.map(([consumer, { input, featureAxis, pooled }]) => [
      consumer.node.name,
      `${input}@${featureAxis} ${pooled?.join('x')}`,
    ]),
  );
}

const behind = (pooling: (net: Net, map: string) => string, shape = [3, 4, 5]): Model =>
  convModel(shape, (net) => net.gemm(pooling(net, net.op('Relu', [net.conv('x', [3, 6])])), [6, 2]));

describe('beforePooling', () => {
  it('finds classifiers behind global average pooling, however it is written', async () => {
    const expected = { m1: 'Relu1@1 4x5' };
    expect(await found(behind((net, y) => net.op('Flatten', [net.op('GlobalAveragePool', [y])])))).toEqual(expected);
    expect(
      await found(behind((net, y) => net.op('Flatten', [net.op('AveragePool', [y], { kernel_shape: [4, 5] })]))),
    ).toEqual(expected);
    expect(await found(behind((net, y) => net.op('ReduceMean', [y], { axes: [2, -1], keepdims: 0 })))).toEqual(
      expected,
    );
    expect(
      await found(behind((net, y) => net.op('Squeeze', [net.op('ReduceMean', [y], { axes: [2, 3] }), net.ints(2, 3)]))),
    ).toEqual(expected);
  });

  it('finds the features on the last axis of a map, and the gates of squeeze and excite', async () => {
    const last = behind((net, y) =>
      net.op('ReduceMean', [net.op('Transpose', [y], { perm: [0, 2, 3, 1] })], { axes: [1, 2], keepdims: 0 }),
    );
    expect(await found(last)).toEqual({ m1: 'Transpose1@3 4x5' });
    const gated = convModel([3, 4, 4], (net) => {
      const y = net.conv('x', [3, 6]);
      const squeezed = net.conv(net.op('GlobalAveragePool', [y]), [6, 2], { kernel: [1, 1], attributes: {} });
      const gate = net.conv(net.op('Relu', [squeezed]), [2, 6], { kernel: [1, 1], attributes: {} });
      return net.conv(net.op('Mul', [y, net.op('Sigmoid', [gate])]), [6, 2]);
    });
    expect(await found(gated)).toEqual({ c2: 'c1@1 4x4' });
  });

  it.each([
    ['a maximum', (net: Net, y: string) => net.op('Flatten', [net.op('GlobalMaxPool', [y])])],
    ['an activation', (net: Net, y: string) => net.op('Flatten', [net.op('Tanh', [net.op('GlobalAveragePool', [y])])])],
    [
      'one axis alone',
      (net: Net, y: string) =>
        net.op('ReduceMean', [net.op('ReduceMax', [y], { axes: [3], keepdims: 0 })], { axes: [2], keepdims: 0 }),
    ],
  ])('takes %s for what it is', async (name, pooling) => {
    const expected = name === 'one axis alone' ? { m1: 'ReduceMax1@1 4' } : {};
    expect(await found(behind(pooling))).toEqual(expected);
  });

  it('sees nothing in a mean over part of the map, or over one position', async () => {
    const part = convModel([3, 4, 4], (net) => {
      const pooled = net.op('AveragePool', [net.conv('x', [3, 6])], { kernel_shape: [2, 2], strides: [2, 2] });
      return net.conv(pooled, [6, 2], { kernel: [1, 1], attributes: {} });
    });
    expect(await found(part)).toEqual({});
    const single = convModel([3, 3, 3], (net) => {
      const y = net.conv('x', [3, 6], { attributes: {} });
      return net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [y])]), [6, 2]);
    });
    expect(await found(single)).toEqual({});
  });
});
