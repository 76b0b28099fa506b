import { describe, expect, it } from 'vitest';
import type { Refusal } from '../../src/channels/refusal.js';
import { convModel, type Net } from '../conv.js';
import { analyse } from '../dense.js';

const WIDTH = 6;

/** Why the layer m1 in front of `between` stays; undefined where its channels can be removed. */
async function refusalBefore(between: (net: Net, x: string) => string, opset = 17): Promise<Refusal | undefined> {
  const model = convModel([4], (net) => net.gemm(between(net, net.gemm('x', [4, WIDTH])), [WIDTH, 3]), { opset });
  return (await analyse(model)).targets[0]?.refusal;
}

const squareRoot = (net: Net, x: string): string => net.op('Sqrt', [net.op('Add', [x, net.floats(1e-5)])]);
const mean = (net: Net, x: string): string => net.op('ReduceMean', [x], { axes: [1] });

describe('normalisation over the channels is refused by name', () => {
  const cases: [string, (net: Net, x: string) => string, string, string, number?][] = [
    [
      'the operator LayerNormalization',
      (net, x) => net.op('LayerNormalization', [x, net.made([WIDTH]), net.made([WIDTH])]),
      'LayerNormalization1',
      'runs over the channels',
    ],
    [
      'the operator SimplifiedLayerNormalization',
      (net, x) => net.op('SimplifiedLayerNormalization', [x, net.made([WIDTH])]),
      'SimplifiedLayerNormalization1',
      'runs over the channels',
    ],
    [
      'LayerNorm with a power',
      (net, x) => {
        const centred = net.op('Sub', [x, mean(net, x)]);
        const variance = mean(net, net.op('Pow', [centred, net.floats(2)]));
        return net.op('Div', [centred, squareRoot(net, variance)]);
      },
      'ReduceMean1',
      'a layer normalisation takes the mean',
    ],
    [
      'LayerNorm with a product',
      (net, x) => {
        const centred = net.op('Sub', [x, mean(net, x)]);
        const variance = mean(net, net.op('Mul', [centred, centred]));
        return net.op('Mul', [centred, net.op('Reciprocal', [squareRoot(net, variance)])]);
      },
      'ReduceMean1',
      'a layer normalisation takes the mean',
    ],
    [
      'RMSNorm with a power',
      (net, x) => net.op('Div', [x, squareRoot(net, mean(net, net.op('Pow', [x, net.floats(2)])))]),
      'ReduceMean1',
      'mean square',
    ],
    [
      'RMSNorm with a product, axes as an input',
      (net, x) => {
        const square = net.op('ReduceMean', [net.op('Mul', [x, x]), net.ints(-1)]);
        return net.op('Mul', [x, net.op('Reciprocal', [squareRoot(net, square)])]);
      },
      'ReduceMean1',
      'mean square',
      18,
    ],
    [
      'division by the norm',
      (net, x) => {
        const norm = net.op('ReduceL2', [x], { axes: [1] });
        return net.op('Div', [x, net.op('Clip', [norm, net.op('Squeeze', [net.floats(1e-12)])])]);
      },
      'ReduceL21',
      'the norm over the channels',
    ],
  ];

  it.each(cases)('%s', async (_, between, culprit, message, opset) => {
    const found = await refusalBefore(between, opset);
    expect(found?.code).toBe('LAYER_NORM');
    expect(found?.culprits).toEqual([culprit]);
    expect(found?.message).toContain(message);
  });

  it('other means over the channels are not called a normalisation', async () => {
    for (const [code, between] of [
      ['OPERATOR_MIXES', (net: Net, x: string) => net.op('Add', [x, mean(net, x)])],
      ['OPERATOR_MIXES', (net: Net, x: string) => net.op('Add', [x, mean(net, net.op('Mul', [x, x]))])],
      ['COMPUTED_FROM_ALL', (net: Net, x: string) => net.op('Add', [x, net.op('ReduceL2', [x], { axes: [1] })])],
    ] as const)
      expect((await refusalBefore(between))?.code).toBe(code);
  });
});

describe('Softmax along the channels', () => {
  it.each([
    ['at once', (_net: Net, x: string) => x],
    ['behind a change of arrangement', (net: Net, x: string) => net.op('Transpose', [net.op('Identity', [x])])],
  ])('that makes an output of the model is said to be one: %s', async (_, arrange) => {
    const model = convModel([4], (net) => arrange(net, net.op('Softmax', [net.gemm('x', [4, 3])], { axis: 1 })));
    const output = model.graph.outputs[0]!.name;
    const [found] = (await analyse(model)).targets.map((t) => t.refusal);
    expect(found?.code).toBe('GRAPH_OUTPUT');
    expect(found?.culprits).toEqual([output]);
    expect(found?.message).toContain("behind Softmax 'Softmax1'");
  });

  it('elsewhere mixes them', async () => {
    const found = await refusalBefore((net, x) => net.op('Softmax', [x], { axis: 1 }));
    expect([found?.code, found?.culprits]).toEqual(['COMPUTED_FROM_ALL', ['Softmax1']]);
  });
});
