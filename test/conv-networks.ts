import type { Model } from '../src/graph/ir.js';
import { convModel, type Net } from './conv.js';

/** A network and what the analysis must say of each convolution (c1, c2, …) and matrix product (m1, …): its removable channels or its refusal. */
export interface Example {
  readonly model: Model;
  readonly verdict: Readonly<Record<string, number | string>>;
}

const OUTPUT = 'GRAPH_OUTPUT';
const FAR = 2 ** 31 - 1;

/** Pools, and multiplies: what stands at the end of most classifiers. */
const head = (net: Net, x: string, channels: number): string =>
  net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [x])]), [channels, 2]);

/** c1 (4 channels) → Relu → whatever `between` makes of it, with `channels` channels → c2, or the last one. */
const around = (
  between: (net: Net, x: string) => string,
  { channels = 4, opset = 17, input = [3, 6, 6] }: { channels?: number; opset?: number; input?: number[] } = {},
): Model =>
  convModel(
    input,
    (net) => net.conv(between(net, net.op('Relu', [net.conv('x', [3, 4])])), [channels, 2], { kernel: [1, 1] }),
    { opset },
  );

const chain = (attributes: Parameters<Net['conv']>[2], shape: number[] = [3, 13, 12]): Example => ({
  model: convModel(shape, (net) => {
    const first = net.op('Relu', [net.conv('x', [3, 5], attributes)]);
    return net.conv(net.op('Tanh', [net.conv(first, [5, 4], attributes)]), [4, 2], attributes);
  }),
  verdict: { c1: 5, c2: 4, c3: OUTPUT },
});

const CHAINS: Record<string, Example> = {
  'plain convolutions': chain({ attributes: {} }),
  'strides and padding that differs': chain({ attributes: { strides: [2, 1], pads: [1, 0, 2, 1] } }),
  dilations: chain({ attributes: { dilations: [2, 1], pads: [2, 1, 2, 1] } }),
  'no bias': chain({ bias: false }),
  SAME_UPPER: chain({ kernel: [4, 3], attributes: { auto_pad: 'SAME_UPPER', strides: [2, 1] } }),
  SAME_LOWER: chain({ kernel: [4, 3], attributes: { auto_pad: 'SAME_LOWER', strides: [1, 2] } }),
  VALID: chain({ kernel: [2, 3], attributes: { auto_pad: 'VALID' } }),
  'one dimension': chain({ kernel: [3], attributes: { strides: [2], pads: [0, 2] } }, [3, 15]),
  'three dimensions': chain({ kernel: [2, 3, 1], attributes: { pads: [1, 1, 0, 0, 1, 0] } }, [3, 4, 5, 3]),
};

const TRANSPOSED: Record<string, Example> = {
  'ConvTranspose with stride = kernel': {
    model: convModel([3, 4, 4], (net) =>
      net.transposed(net.op('Relu', [net.transposed('x', [3, 5])]), [5, 2], { bias: false }),
    ),
    verdict: { c1: 5, c2: OUTPUT },
  },
  'ConvTranspose whose taps overlap': {
    model: convModel([3, 4, 4], (net) => {
      const attributes = { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] };
      const up = net.transposed(net.op('Relu', [net.conv('x', [3, 5])]), [5, 4], { kernel: [3, 3], attributes });
      return net.conv(up, [4, 2]);
    }),
    verdict: { c1: 5, c2: 4, c3: OUTPUT },
  },
  'a U-Net': {
    model: convModel([3, 8, 8], (net) => {
      const top = net.op('Relu', [net.conv('x', [3, 4])]);
      const low = net.op('Relu', [
        net.conv(net.op('MaxPool', [top], { kernel_shape: [2, 2], strides: [2, 2] }), [4, 6]),
      ]);
      return net.conv(net.op('Concat', [net.transposed(low, [6, 5]), top], { axis: 1 }), [9, 2]);
    }),
    verdict: { c1: 4, c2: 6, c3: 5, c4: OUTPUT },
  },
};

const DEPTHWISE: Record<string, Example> = {
  depthwise: {
    model: convModel([3, 6, 6], (net) => {
      const wide = net.op('Relu', [net.conv('x', [3, 5], { kernel: [1, 1], attributes: {} })]);
      return net.conv(net.op('Relu', [net.depthwise(wide, 5)]), [5, 2], { kernel: [1, 1], attributes: {} });
    }),
    verdict: { c1: 5, c2: 5, c3: OUTPUT },
  },
  'depthwise with two outputs for each channel': {
    model: convModel([3, 6, 6], (net) =>
      net.conv(net.depthwise(net.op('Relu', [net.conv('x', [3, 5])]), 5, 2, { bias: false }), [10, 2]),
    ),
    verdict: { c1: 5, c2: 10, c3: OUTPUT },
  },
  'depthwise ConvTranspose': {
    model: convModel([3, 4, 4], (net) => {
      const up = net.transposed(net.op('Relu', [net.conv('x', [3, 5])]), [5, 1], {
        attributes: { strides: [2, 2], group: 5 },
        bias: false,
      });
      return net.conv(up, [5, 2]);
    }),
    verdict: { c1: 5, c2: 5, c3: OUTPUT },
  },
  'depthwise on the input of the model': {
    model: convModel([3, 6, 6], (net) => net.conv(net.conv(net.depthwise('x', 3), [3, 4]), [4, 2])),
    verdict: { c1: 'COUPLED_TO_FIXED', c2: 4, c3: OUTPUT },
  },
  'depthwise on a Concat with the input of the model': {
    model: convModel([3, 6, 6], (net) => {
      const all = net.op('Concat', ['x', net.conv('x', [3, 4])], { axis: 1 });
      return net.conv(net.depthwise(all, 7), [7, 2]);
    }),
    verdict: { c1: 4, c2: 4, c3: OUTPUT },
  },
  'groups wider than a channel': {
    model: convModel([3, 6, 6], (net) => {
      const grouped = net.conv(net.conv('x', [3, 4]), [2, 6], { attributes: { group: 2, pads: [1, 1, 1, 1] } });
      return net.conv(net.conv(grouped, [6, 5]), [5, 2]);
    }),
    verdict: { c1: 'GROUPED', c2: 'GROUPED', c3: 5, c4: OUTPUT },
  },
};

const RESIDUAL: Record<string, Example> = {
  'identity shortcuts': {
    model: convModel([3, 6, 6], (net) => {
      let stream = net.op('Relu', [net.conv('x', [3, 4])]);
      for (let block = 0; block < 2; block++) {
        const inner = net.op('Relu', [net.conv(stream, [4, 5])]);
        stream = net.op('Relu', [net.op('Add', [net.conv(inner, [5, 4]), stream])]);
      }
      return head(net, stream, 4);
    }),
    verdict: { c1: 4, c2: 5, c3: 4, c4: 5, c5: 4, m1: OUTPUT },
  },
  'a projection as shortcut': {
    model: convModel([3, 6, 6], (net) => {
      const stream = net.op('Relu', [net.conv('x', [3, 4])]);
      const down = { attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } };
      const inner = net.conv(net.op('Relu', [net.conv(stream, [4, 5], down)]), [5, 6]);
      const short = net.conv(stream, [4, 6], { kernel: [1, 1], attributes: { strides: [2, 2] } });
      return head(net, net.op('Relu', [net.op('Add', [inner, short])]), 6);
    }),
    verdict: { c1: 4, c2: 5, c3: 6, c4: 6, m1: OUTPUT },
  },
  'Slice and Pad as shortcut (option A)': {
    model: convModel([3, 6, 6], (net) => {
      const stream = net.op('Relu', [net.conv('x', [3, 4])]);
      const down = { attributes: { strides: [2, 2], pads: [1, 1, 1, 1] } };
      const inner = net.conv(net.op('Relu', [net.conv(stream, [4, 5], down)]), [5, 8]);
      const thin = net.op('Slice', [stream, net.ints(0, 0), net.ints(FAR, FAR), net.ints(2, 3), net.ints(2, 2)]);
      const short = net.op('Pad', [thin, net.ints(0, 2, 0, 0, 0, 2, 0, 0)]);
      const next = net.op('Relu', [net.op('Add', [inner, short])]);
      return head(net, net.op('Add', [net.conv(next, [8, 8]), next]), 8);
    }),
    verdict: { c1: 4, c2: 5, c3: 8, c4: 8, m1: OUTPUT },
  },
  'option A with pads as an attribute': {
    model: convModel(
      [3, 6, 6],
      (net) => {
        const stream = net.op('Relu', [net.conv('x', [3, 4])]);
        const short = net.op('Pad', [stream], { pads: [0, 1, 0, 0, 0, 2, 0, 0] });
        return head(net, net.op('Add', [short, net.conv(stream, [4, 7])]), 7);
      },
      { opset: 10 },
    ),
    verdict: { c1: 4, c2: 7, m1: OUTPUT },
  },
};

const SEGMENTS: Record<string, Example> = {
  'Concat, also of what is not condensed (DenseNet)': {
    model: convModel([3, 6, 6], (net) => {
      let all = 'x';
      for (let layer = 0; layer < 3; layer++)
        all = net.op('Concat', [all, net.op('Relu', [net.conv(all, [3 + 4 * layer, 4])])], { axis: 1 });
      return head(net, all, 15);
    }),
    verdict: { c1: 4, c2: 4, c3: 4, m1: OUTPUT },
  },
  'Split in named parts, read at different places': {
    model: convModel([3, 6, 6], (net) => {
      const [a, b, c] = net.ops('Split', [net.conv('x', [3, 7]), net.ints(2, 3, 2)], 3, { axis: 1 }) as [
        string,
        string,
        string,
      ];
      const inner = net.op('Relu', [net.conv(b, [3, 4])]);
      return net.conv(net.op('Concat', [a, inner, c], { axis: -3 }), [8, 2]);
    }),
    verdict: { c1: 7, c2: 4, c3: OUTPUT },
  },
  'Split in equal parts': {
    model: convModel([3, 6, 6], (net) => {
      const [a, b] = net.ops('Split', [net.conv('x', [3, 6])], 2, { axis: 1 }) as [string, string];
      return net.conv(net.op('Concat', [net.op('Relu', [b]), a], { axis: 1 }), [6, 2]);
    }),
    verdict: { c1: 6, c2: OUTPUT },
  },
  'Split sizes as an attribute': {
    model: convModel(
      [3, 6, 6],
      (net) => {
        const [a, b] = net.ops('Split', [net.conv('x', [3, 6])], 2, { axis: 1, split: [2, 4] }) as [string, string];
        return net.conv(net.op('Concat', [net.op('Relu', [b]), a], { axis: 1 }), [6, 2]);
      },
      { opset: 11 },
    ),
    verdict: { c1: 6, c2: OUTPUT },
  },
  'Slice with offsets, negative ones and open ends': {
    model: convModel([3, 6, 6], (net) => {
      const all = net.op('Relu', [net.conv('x', [3, 8])]);
      const part = (from: number, to: number): string =>
        net.op('Slice', [all, net.ints(from), net.ints(to), net.ints(1)]);
      const parts = [part(0, 3), part(3, -2), part(-2, FAR), part(2, 99), part(-8, -5)];
      return net.conv(net.op('Concat', parts, { axis: 1 }), [3 + 3 + 2 + 6 + 3, 2]);
    }),
    verdict: { c1: 8, c2: OUTPUT },
  },
  'Slice bounds in one constant': {
    model: convModel([3, 6, 6], (net) => {
      const all = net.op('Relu', [net.conv('x', [3, 8])]);
      const [zero, three, five, channels] = [net.ints(0), net.ints(3), net.ints(5), net.ints(1)];
      const parts = [
        net.op('Slice', [all, zero, three, channels]),
        net.op('Slice', [all, three, five, channels]),
        net.op('Slice', [all, five, net.ints(FAR), channels]),
        net.op('Slice', ['x', zero, three, channels]),
      ];
      return net.conv(net.op('Concat', parts, { axis: 1 }), [11, 2]);
    }),
    verdict: { c1: 8, c2: OUTPUT },
  },
  'Slice over several axes at once': {
    model: around((net, x) => net.op('Slice', [x, net.ints(1, 1), net.ints(-1, 3), net.ints(2, 1)]), { channels: 2 }),
    verdict: { c1: 2, c2: OUTPUT },
  },
  'Slice bounds as attributes': {
    model: convModel(
      [3, 6, 6],
      (net) => {
        const all = net.conv('x', [3, 8]);
        const part = (from: number, to: number): string =>
          net.op('Slice', [all], { starts: [from, 1], ends: [to, -1], axes: [1, 2] });
        return net.conv(net.op('Concat', [part(3, -1), part(0, 3), part(-1, FAR)], { axis: 1 }), [8, 2]);
      },
      { opset: 9 },
    ),
    verdict: { c1: 8, c2: OUTPUT },
  },
  'Slice at steps along the channels': {
    model: around((net, x) => net.op('Slice', [x, net.ints(0), net.ints(4), net.ints(1), net.ints(2)]), {
      channels: 2,
    }),
    verdict: { c1: 'OPERATOR_MIXES', c2: OUTPUT },
  },
};

const SHUFFLES: Record<string, Example> = {
  'a shuffle by Reshape and Transpose': {
    model: convModel([3, 4, 4], (net) => {
      const wide = net.conv('x', [3, 8]);
      const groups = net.op('Reshape', [wide, net.ints(0, 2, 4, 4, 4)]);
      const turned = net.op('Transpose', [groups], { perm: [0, 2, 1, 3, 4] });
      const back = net.op('Reshape', [turned, net.ints(-1, 8, 4, 4)]);
      return net.conv(net.op('Relu', [net.depthwise(back, 8)]), [8, 2]);
    }),
    verdict: { c1: 8, c2: 8, c3: OUTPUT },
  },
  'a shuffle by Gather': {
    model: around((net, x) => net.op('Gather', [x, net.ints(0, 2, -3, 3)], { axis: 1 })),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'Gather that takes a channel twice and leaves one': {
    model: around((net, x) => net.op('Gather', [x, net.ints(3, 0, 3)], { axis: 1 }), { channels: 3 }),
    verdict: { c1: 2, c2: OUTPUT },
  },
};

const GATES: Record<string, Example> = {
  'squeeze and excite with convolutions': {
    model: around((net, x) => {
      const pooled = net.op('GlobalAveragePool', [x]);
      const inner = net.op('Relu', [net.conv(pooled, [4, 3], { kernel: [1, 1], attributes: {} })]);
      const gate = net.op('HardSigmoid', [net.conv(inner, [3, 4], { kernel: [1, 1], attributes: {} })]);
      return net.op('Mul', [x, gate]);
    }),
    verdict: { c1: 4, c2: 3, c3: 4, c4: OUTPUT },
  },
  'squeeze and excite with matrices': {
    model: around((net, x) => {
      const pooled = net.op('ReduceMean', [x], { axes: [2, 3], keepdims: 0 });
      const gate = net.op('Sigmoid', [net.gemm(net.op('Relu', [net.gemm(pooled, [4, 3])]), [3, 4])]);
      return net.op('Mul', [net.op('Reshape', [gate, net.ints(-1, 4, 1, 1)]), x]);
    }),
    verdict: { c1: 4, m1: 3, m2: 4, c2: OUTPUT },
  },
};

const FOLDED: Record<string, Example> = {
  'Flatten with the channels outside': {
    model: convModel([3, 4, 3], (net) =>
      net.gemm(net.op('Flatten', [net.op('Relu', [net.conv('x', [3, 4])])]), [48, 2]),
    ),
    verdict: { c1: 4, m1: OUTPUT },
  },
  'Reshape to a named number of features': {
    model: convModel([3, 4, 3], (net) =>
      net.gemm(net.op('Reshape', [net.conv('x', [3, 4]), net.ints(-1, 48)]), [48, 2]),
    ),
    verdict: { c1: 4, m1: OUTPUT },
  },
  'channels inside (NHWC)': {
    model: convModel([4, 3, 3], (net) => {
      const inner = net.conv(net.op('Transpose', ['x'], { perm: [0, 3, 1, 2] }), [3, 4]);
      const outer = net.op('Relu', [net.op('Transpose', [inner], { perm: [0, 2, 3, 1] })]);
      return net.gemm(net.op('Reshape', [outer, net.ints(0, 48)]), [48, 2]);
    }),
    verdict: { c1: 4, m1: OUTPUT },
  },
  'tokens of an image': {
    model: convModel([3, 4, 4], (net) => {
      const patches = net.conv('x', [3, 4], { kernel: [2, 2], attributes: { strides: [2, 2] } });
      const tokens = net.op('Transpose', [net.op('Reshape', [patches, net.ints(0, 4, -1)])], { perm: [0, 2, 1] });
      return net.op('MatMul', [tokens, net.made([4, 2])]);
    }),
    verdict: { c1: 4, MatMul1: OUTPUT },
  },
};

const SPATIAL: Record<string, Example> = {
  pools: {
    model: around((net, x) => {
      const averaged = net.op('AveragePool', [x], { kernel_shape: [2, 2], pads: [0, 0, 1, 1], count_include_pad: 1 });
      return net.op('MaxPool', [averaged], { kernel_shape: [2, 2], strides: [2, 2] });
    }),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'a global pool': {
    model: convModel([3, 6, 6], (net) => head(net, net.op('Relu', [net.conv('x', [3, 4])]), 4)),
    verdict: { c1: 4, m1: OUTPUT },
  },
  'Resize to sizes': {
    model: around((net, x) => net.op('Resize', [x, '', '', net.ints(2, 4, 9, 9)]), { input: [3, 6, 6] }),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'Resize by scales': {
    model: around((net, x) => net.op('Resize', [x, '', net.floats(1, 1, 2, 1.5)], { mode: 'linear' })),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'Resize to the sizes of another map, as exporters compute them': {
    model: convModel([3, 6, 6], (net) => {
      const top = net.op('Relu', [net.conv('x', [3, 4])]);
      const low = net.conv(net.op('MaxPool', [top], { kernel_shape: [2, 2], strides: [2, 2] }), [4, 5]);
      const front = net.op('Slice', [net.op('Shape', [low]), net.ints(0), net.ints(2), net.ints(0)]);
      const behind = net.op('Slice', [net.op('Shape', [top]), net.ints(2), net.ints(4), net.ints(0)]);
      const up = net.op('Resize', [low, '', '', net.op('Concat', [front, behind], { axis: 0 })]);
      return net.conv(net.op('Concat', [top, up], { axis: 1 }), [9, 2]);
    }),
    verdict: { c1: 4, c2: 5, c3: OUTPUT },
  },
  'Pad over space': {
    model: around((net, x) => net.op('Pad', [x, net.ints(0, 0, 1, 2, 0, 0, 0, 1)])),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'Pad over the channels': {
    model: around((net, x) => net.op('Pad', [x, net.ints(0, 1, 0, 0, 0, 2, 0, 0)]), { channels: 7 }),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'Pad that repeats channels': {
    model: around((net, x) => net.op('Pad', [x, net.ints(0, 1, 0, 0, 0, 0, 0, 0)], { mode: 'edge' }), { channels: 5 }),
    verdict: { c1: 'OPERATOR_MIXES', c2: OUTPUT },
  },
  'normalisations and factors for each channel': {
    model: around((net, x) => {
      const slope = net.op('PRelu', [net.normalised(x, 4), net.made([4, 1, 1])]);
      const instance = net.op('InstanceNormalization', [slope, net.made([4]), net.made([4])]);
      return net.op('Add', [net.op('Mul', [net.made([1, 4, 1, 1]), instance]), net.made([4, 1, 1])]);
    }),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'a shape that is computed, and read by a Reshape': {
    model: convModel([3, 4, 4], (net) => {
      const map = net.op('Relu', [net.conv('x', [3, 4])]);
      const lengths = net.op('Shape', [map]);
      const [rows, count] = [0, 1].map((i) => net.op('Gather', [lengths, net.ints(i)]));
      const tokens = net.op('Reshape', [map, net.op('Concat', [rows!, count!, net.ints(-1)], { axis: 0 })]);
      return net.conv(tokens, [4, 2], { kernel: [3] });
    }),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'a number of channels that is written into a computed shape': {
    model: convModel([3, 4, 4], (net) => {
      const map = net.op('Relu', [net.conv('x', [3, 4])]);
      const rows = net.op('Slice', [net.op('Shape', [map]), net.ints(0), net.ints(1)]);
      const tokens = net.op('Reshape', [map, net.op('Concat', [rows, net.ints(4), net.ints(16)], { axis: 0 })]);
      return net.conv(tokens, [4, 2], { kernel: [3] });
    }),
    verdict: { c1: 4, c2: OUTPUT },
  },
  'a number of channels that is computed with': {
    model: convModel([3, 4, 4], (net) => {
      const map = net.op('Relu', [net.conv('x', [3, 4])]);
      const count = net.op('Gather', [net.op('Shape', [map]), net.ints(1)]);
      const share = net.op('Div', [map, net.op('Sqrt', [net.op('Cast', [count], { to: 1 })])]);
      return net.conv(share, [4, 2]);
    }),
    verdict: { c1: 'OPERATOR_MIXES', c2: OUTPUT },
  },
};

/** Convolutional graphs as exporters write them. */
export const EXAMPLES: Readonly<Record<string, Example>> = {
  ...CHAINS,
  ...TRANSPOSED,
  ...DEPTHWISE,
  ...RESIDUAL,
  ...SEGMENTS,
  ...SHUFFLES,
  ...GATES,
  ...FOLDED,
  ...SPATIAL,
};
