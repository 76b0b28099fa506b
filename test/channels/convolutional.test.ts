import { describe, expect, it } from 'vitest';
import { condensingSites } from '../../src/channels/sites.js';
import type { ChannelAnalysis, Kernel } from '../../src/channels/types.js';
import { fixedWidths } from '../../src/condense/widths.js';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { intAttribute } from '../../src/graph/attributes.js';
import type { Model } from '../../src/graph/ir.js';
import { analyse, cutOnly, outputsOf, randomFeeds, relativeDifference, summary } from '../dense.js';
import { convModel, lengthOf, randomKeep, unread } from '../conv.js';
import { EXAMPLES } from '../conv-networks.js';

const ROWS = 2;

describe('convolutional networks', () => {
  it.each(Object.entries(EXAMPLES))('%s: every node is condensable or refused', async (_, { model, verdict }) => {
    expect(summary(await analyse(model, ROWS))).toEqual(verdict);
  });

  it.each(Object.entries(EXAMPLES))(
    '%s: any choice of channels loads, with outputs of the same shapes',
    async (_, { model }) => {
      const analysis = await analyse(model, ROWS);
      const before = await outputsOf(model, randomFeeds(model, ROWS));
      for (const [seed, share] of [
        [1, 0.5],
        [2, 0.5],
        [3, 0],
      ] as const) {
        const keep = randomKeep(analysis, seed, share);
        const after = await outputsOf(await cutOnly(model, analysis, keep), randomFeeds(model, ROWS));
        expect([...after].map(([name, v]) => [name, v.dims])).toEqual([...before].map(([name, v]) => [name, v.dims]));
      }
    },
  );

  it.each(Object.entries(EXAMPLES))(
    '%s: without channels that nothing reads the outputs are the same',
    async (_, { model }) => {
      const analysis = await analyse(model, ROWS);
      for (const [seed, share] of [
        [1, 0.5],
        [2, 0.7],
        [3, 0],
      ] as const) {
        const keep = randomKeep(analysis, seed, share);
        const wide = unread(model, analysis, keep);
        const narrow = await cutOnly(wide, analysis, keep);
        expect(await relativeDifference(wide, narrow, randomFeeds(model, ROWS))).toBeLessThan(1e-5);
      }
    },
  );
});

const example = (name: string): Model => EXAMPLES[name]!.model;
const refusalOf = (analysis: ChannelAnalysis, name: string) =>
  analysis.targets.find((t) => t.node.name === name)?.refusal;

describe('refusals', () => {
  it.each([
    ['groups wider than a channel', 'c1', 'c2', 'groups'],
    ['Pad that repeats channels', 'c1', 'Pad1', 'Pad'],
    ['Slice at steps along the channels', 'c1', 'Slice1', 'steps'],
    ['a number of channels that is computed with', 'c1', 'Sqrt1', 'computes with the number of channels'],
    ['depthwise on the input of the model', 'c1', 'c1', 'depthwise'],
  ])('%s: names the node in the way and says why', async (name, node, culprit, reason) => {
    const found = refusalOf(await analyse(example(name), ROWS), node);
    expect(found?.culprits).toEqual([culprit]);
    expect(found?.message).toContain(reason);
  });

  it.each([
    ['MaxPool with indices', 'OPERATOR_MIXES', ['MaxPool', 'c2']],
    ['a weight that two convolutions share', 'WEIGHT_SHARED', ['c2', 'c3']],
    ['a kernel computed at run time', 'WEIGHT_NOT_CONSTANT', ['c2']],
    ['a bias computed at run time', 'COUPLED_TO_FIXED', ['c2']],
    ['Resize along the channels', 'OPERATOR_MIXES', ['Resize1']],
    ['a window over the channels', 'SLIDING_WINDOW', ['c2']],
    ['a pool over the channels', 'SLIDING_WINDOW', ['MaxPool1']],
    ['a window of one channel', 'OPERATOR_MIXES', ['c2']],
  ])('%s', async (name, code, culprits) => {
    const model = convModel([3, 6, 6], (net) => {
      const map = net.conv('x', [3, 4]);
      if (name.startsWith('MaxPool')) {
        const [pooled, indices] = net.ops('MaxPool', [map], 2, { kernel_shape: [2, 2] }) as [string, string];
        return [net.conv(pooled, [4, 2]), indices];
      }
      const turned = (): string => net.op('Transpose', [map], { perm: [0, 2, 1, 3] });
      if (name.startsWith('a window over')) return net.conv(turned(), [6, 2]);
      if (name.startsWith('a window of')) return net.conv(turned(), [6, 2], { kernel: [1, 3], attributes: {} });
      if (name.startsWith('a pool')) return net.conv(net.op('MaxPool', [turned()], { kernel_shape: [2, 1] }), [6, 2]);
      if (name.startsWith('Resize')) return net.conv(net.op('Resize', [map, '', net.floats(1, 2, 1, 1)]), [8, 2]);
      const first = net.conv(map, [4, 4]);
      const last = net.nodes.at(-1)!;
      if (name.startsWith('a weight')) {
        const second = net.conv(first, [4, 4]);
        net.nodes.at(-1)!.inputs[1] = last.inputs[1]!;
        return net.conv(second, [4, 2]);
      }
      const at = name.startsWith('a kernel') ? 1 : 2;
      const computed = net.op('Abs', [last.inputs[at]!]);
      net.nodes.unshift(net.nodes.pop()!);
      last.inputs[at] = computed;
      return net.conv(first, [4, 2]);
    });
    const found = refusalOf(await analyse(model, ROWS), 'c1');
    expect(found?.code).toBe(code);
    for (const culprit of found?.culprits ?? []) expect(culprits.some((c) => culprit.startsWith(c))).toBe(true);
    expect(found?.culprits).not.toEqual([]);
  });
});

describe('geometry of convolutions', () => {
  // 13 × 12, kernel 4 × 3, strides 2 × 1: in all 3 × 2 zeros keep ⌈13 / 2⌉ × 12 positions.
  it.each([
    ['SAME_UPPER', [1, 1], [2, 1], [7, 12]],
    ['SAME_LOWER', [2, 1], [1, 1], [7, 12]],
    ['VALID', [0, 0], [0, 0], [5, 10]],
    ['NOTSET', [1, 0], [0, 2], [6, 12]],
  ])('%s', async (auto_pad, padsBegin, padsEnd, output) => {
    const attributes = { auto_pad, strides: [2, 1], ...(auto_pad === 'NOTSET' ? { pads: [1, 0, 0, 2] } : {}) };
    const model = convModel([3, 13, 12], (net) => net.conv('x', [3, 2], { kernel: [4, 3], attributes }));
    const { consumers } = await analyse(model, ROWS);
    const wanted: Kernel = {
      ...{ shape: [4, 3], strides: [2, 1], dilations: [1, 1], transposed: false, input: [13, 12] },
      ...{ padsBegin, padsEnd, output },
    };
    expect(consumers[0]!.kernel).toEqual(wanted);
  });
});

describe('spaces of convolutional networks', () => {
  it('depthwise layers belong to the space in front of them, and their groups follow', async () => {
    for (const [name, multiplier] of [
      ['depthwise', 1],
      ['depthwise with two outputs for each channel', 2],
    ] as const) {
      const model = example(name);
      const analysis = await analyse(model, ROWS);
      expect(analysis.spaces.map((s) => [s.channels.length, s.producers.map((p) => p.name)])).toEqual([
        [5, ['c1', 'c2']],
      ]);
      const keep = randomKeep(analysis, 4);
      const kept = lengthOf(analysis, 'c1', keep);
      expect(kept).toBeLessThan(5);
      const cut = await cutOnly(model, analysis, keep);
      const node = cut.graph.nodes.find((n) => n.name === 'c2')!;
      expect(intAttribute(node, 'group', 1)).toBe(kept);
      expect(cut.graph.initializers.get(node.inputs[1]!)!.dims).toEqual([kept * multiplier, 1, 3, 3]);
    }
  });

  it('a stream has one space for all its blocks; every place where it is read is a site', async () => {
    const analysis = await analyse(example('identity shortcuts'), ROWS);
    expect(analysis.spaces.map((s) => s.producers.map((p) => p.name))).toEqual([['c1', 'c3', 'c5'], ['c2'], ['c4']]);
    expect(analysis.spaces[0]!.consumers.map((c) => c.node.name)).toEqual(['c2', 'c4', 'm1']);
    expect(condensingSites(analysis).map((s) => s.input)).toHaveLength(5);
  });

  it('option A: the channels that Pad adds go with those that they are added to', async () => {
    const model = example('Slice and Pad as shortcut (option A)');
    const analysis = await analyse(model, ROWS);
    const [sum, thin, padded] = ['Add1', 'Slice1', 'Pad1'].map((v) => analysis.values.get(v)!.channels);
    expect([...padded!]).toEqual([...sum!]);
    expect([...sum!.slice(2, 6)]).toEqual([...thin!]);
    // What only the second stage has is a space of its own.
    expect(analysis.spaces.map((s) => s.channels.length)).toEqual([4, 5, 4]);
  });

  it('channels that stand in different tensors are different spaces, and only what would be empty has to stay', async () => {
    const analysis = await analyse(example('Split in named parts, read at different places'), ROWS);
    expect(analysis.targets.find((t) => t.node.name === 'c1')!.spaces).toEqual([0, 1]);
    expect(analysis.spaces.map((s) => [s.channels.length, s.least, s.consumers.map((c) => c.node.name)])).toEqual([
      // Parts one and three, and the inner layer, stand beside each other in what c3 reads.
      [4, 0, ['c3']],
      [3, 1, ['c2']],
      [4, 1, ['c3']],
    ]);
  });

  it('fixed channels beside others in a depthwise layer make no space', async () => {
    const analysis = await analyse(example('depthwise on a Concat with the input of the model'), ROWS);
    expect(analysis.spaces.map((s) => [[...s.channels], s.producers.map((p) => p.name)])).toEqual([
      [
        [0, 1, 2, 3],
        ['c1', 'c2'],
      ],
    ]);
  });

  it('a shuffle ties the groups: channels at the same place of each group stay or go together', async () => {
    const analysis = await analyse(example('a shuffle by Reshape and Transpose'), ROWS);
    const [first] = analysis.targets;
    expect([...first!.channels!]).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });
});

describe('widths that --keep sets', () => {
  it('are divided among the spaces of a node in proportion', async () => {
    const analysis = await analyse(example('Split in named parts, read at different places'), ROWS);
    const widths = (width: number | { ratio: number }) => [...fixedWidths(analysis, new Map([['c1', width]]))];
    expect(widths(7)).toEqual([
      [0, 4],
      [1, 3],
    ]);
    expect(widths({ ratio: 0.6 })).toEqual([
      [0, 2],
      [1, 2],
    ]);
    for (let width = 1; width <= 7; width++) {
      const shares = widths(width);
      expect(shares.reduce((sum, [, share]) => sum + share, 0)).toBe(width);
      for (const [id, share] of shares) {
        expect(share).toBeGreaterThanOrEqual(analysis.spaces[id]!.least);
        expect(share).toBeLessThanOrEqual(analysis.spaces[id]!.channels.length);
      }
    }
  });

  it('count repeated channels as often as they stand in the node', async () => {
    const analysis = await analyse(example('depthwise with two outputs for each channel'), ROWS);
    expect([...fixedWidths(analysis, new Map([['c2', 6]]))]).toEqual([[0, 3]]);
    expect([...fixedWidths(analysis, new Map([['c1', 3]]))]).toEqual([[0, 3]]);
    expect(() =>
      fixedWidths(
        analysis,
        new Map([
          ['c1', 3],
          ['c2', 8],
        ]),
      ),
    ).toThrow(CondenseError);
  });

  it('are refused where a part would be empty that has to stay', async () => {
    const model = convModel(
      [3, 6, 6],
      (net) => {
        const [a, b] = net.ops('Split', [net.conv('x', [3, 4])], 2, { axis: 1, split: [2, 2] }) as [string, string];
        return [net.conv(a, [2, 2]), net.conv(b, [2, 2])];
      },
      { opset: 11 },
    );
    const analysis = await analyse(model, ROWS);
    expect([...fixedWidths(analysis, new Map([['c1', 2]]))]).toEqual([
      [0, 1],
      [1, 1],
    ]);
    expect(() => fixedWidths(analysis, new Map([['c1', 1]]))).toThrow(/at least 2 of its channels must stay/);
  });
});
