import fc from 'fast-check';
import type { Model } from '../../src/graph/ir.js';
import { convModel, type Net } from '../conv.js';

/** A map [rows, channels, height, width]. */
interface Value {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
}

const KINDS = [
  ...['conv', 'conv', 'conv', 'conv', 'strided', 'transposed', 'overlapping', 'depthwise', 'multiplied'],
  ...['relu', 'relu', 'sigmoid', 'swish', 'normalised', 'factor', 'pool', 'average'],
  ...['residual', 'residual', 'projection', 'optionA', 'pair', 'product', 'concat', 'concat', 'split', 'slices'],
  ...[
    'gather',
    'shuffle',
    'nhwc',
    'gate',
    'resize',
    'pad',
    'grouped',
    'output',
    'attention',
    'attention',
    'halves',
    'chunks',
  ],
] as const;

/** One step; `from` and `other` choose among the values there are, `size` among widths and offsets. */
interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly from: number;
  readonly other: number;
  readonly size: number;
  readonly bias: boolean;
}

const step = fc.record({
  kind: fc.constantFrom(...KINDS),
  from: fc.nat(3),
  other: fc.nat(9),
  size: fc.nat(11),
  bias: fc.boolean(),
});

/** Random small convolutional graphs over x [rows, 3, 5, 4]. */
export function convGraphs(): fc.Arbitrary<Model> {
  return fc
    .record({
      steps: fc.array(step, { minLength: 2, maxLength: 9 }),
      end: fc.constantFrom('conv', 'pool', 'flatten', 'inside', 'tokens'),
    })
    .map(({ steps, end }) => convModel([3, 5, 4], (net) => new Builder(net).build(steps, end)));
}

/** Maps and channels stay small. */
const WIDEST = 12;
const LARGEST = 10;

class Builder {
  private readonly values: Value[] = [];
  private readonly outputs: string[] = [];

  constructor(private readonly net: Net) {
    this.values.push({ name: 'x', channels: 3, height: 5, width: 4 });
    this.conv(this.values[0]!, 4, true);
  }

  build(steps: readonly Step[], end: 'conv' | 'pool' | 'flatten' | 'inside' | 'tokens'): string[] {
    for (const step of steps) this.step(step, this.values[Math.max(0, this.values.length - 1 - step.from)]!);
    const { net } = this;
    // The last two values are read, so that most of what was made matters.
    const [last, before] = [this.values.at(-1)!, this.values.at(-2)!];
    const size = last.channels * last.height * last.width;
    const ends = {
      conv: () => net.conv(last.name, [last.channels, 2]),
      pool: () => net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [last.name])]), [last.channels, 2]),
      flatten: () => net.gemm(net.op('Flatten', [last.name]), [size, 2]),
      inside: () => {
        const turned = net.op('Transpose', [last.name], { perm: [0, 2, 3, 1] });
        return net.gemm(net.op('Reshape', [turned, net.ints(-1, size)]), [size, 2]);
      },
      tokens: () => {
        const flat = net.op('Reshape', [last.name, net.ints(0, last.channels, -1)]);
        return net.op('MatMul', [net.op('Transpose', [flat], { perm: [0, 2, 1] }), net.made([last.channels, 2])]);
      },
    };
    return [
      ...this.outputs,
      ends[end](),
      net.conv(before.name, [before.channels, 2], { kernel: [1, 1], attributes: {} }),
    ];
  }

  private step({ kind, other, size, bias }: Step, value: Value): void {
    const { net } = this;
    const { name, channels, height, width } = value;
    const outputs = 2 + (size % 4);
    const push = (next: string, shape: Partial<Value> = {}): void => {
      this.values.push({ ...value, ...shape, name: next });
    };
    switch (kind) {
      case 'conv':
        this.conv(value, outputs, bias, size % 3 === 0 ? [1, 1] : [3, 3]);
        return;
      case 'strided': {
        const attributes = { strides: [2, 1], pads: [1, 0, 0, 2] };
        const shape = { height: Math.floor((height + 1 - 2) / 2) + 1, width: width + 2 - 3 + 1 };
        push(net.conv(name, [channels, outputs], { kernel: [2, 3], attributes, bias }), {
          ...shape,
          channels: outputs,
        });
        return;
      }
      case 'transposed':
        if (height * 2 > LARGEST || width * 2 > LARGEST) return;
        push(net.transposed(name, [channels, outputs], { bias }), {
          channels: outputs,
          height: 2 * height,
          width: 2 * width,
        });
        return;
      case 'overlapping':
        if (height >= LARGEST || width >= LARGEST) return;
        push(net.transposed(name, [channels, outputs], { kernel: [2, 2], attributes: {}, bias }), {
          ...{ channels: outputs, height: height + 1, width: width + 1 },
        });
        return;
      case 'depthwise':
        push(net.depthwise(name, channels, 1, { bias }));
        return;
      case 'multiplied':
        if (channels * 2 > WIDEST) return;
        push(net.depthwise(name, channels, 2, { bias }), { channels: 2 * channels });
        return;
      case 'grouped': {
        if (channels % 2 !== 0 || channels < 4) return;
        const attributes = { group: 2, pads: [1, 1, 1, 1] };
        push(net.conv(name, [channels / 2, 4], { attributes, bias }), { channels: 4 });
        return;
      }
      case 'relu':
        push(net.op(bias ? 'Relu' : 'LeakyRelu', [name]));
        return;
      case 'sigmoid':
        push(net.op('Sigmoid', [name]));
        return;
      case 'swish':
        push(net.op('HardSwish', [name]));
        return;
      case 'normalised':
        push(net.normalised(name, channels));
        return;
      case 'factor':
        push(net.op(bias ? 'Mul' : 'Add', [name, net.made(size % 2 === 0 ? [channels, 1, 1] : [1, channels, 1, 1])]));
        return;
      case 'pool':
      case 'average': {
        const shape = { height: Math.floor((height + 1 - 2) / 2) + 1, width: Math.floor((width - 2) / 2) + 1 };
        if (height < 2 || width < 2) return;
        const attributes = { kernel_shape: [2, 2], strides: [2, 2], pads: [1, 0, 0, 0] };
        push(
          kind === 'pool'
            ? net.op('MaxPool', [name], attributes)
            : net.op('AveragePool', [name], { ...attributes, count_include_pad: bias ? 1 : 0 }),
          shape,
        );
        return;
      }
      case 'residual': {
        const inner = net.op('Relu', [net.conv(name, [channels, outputs], { bias })]);
        push(net.op('Add', [net.conv(inner, [outputs, channels]), name]));
        return;
      }
      case 'projection': {
        const short = net.conv(name, [channels, outputs], { kernel: [1, 1], attributes: {}, bias });
        push(net.op('Relu', [net.op('Add', [short, net.conv(name, [channels, outputs])])]), { channels: outputs });
        return;
      }
      case 'optionA': {
        const wider = channels + 3;
        if (wider > WIDEST) return;
        const short = net.op('Pad', [name, net.ints(0, 1, 0, 0, 0, 2, 0, 0)]);
        push(net.op('Add', [short, net.conv(name, [channels, wider], { bias })]), { channels: wider });
        return;
      }
      case 'pair':
      case 'product': {
        const partners = this.values.filter((v) => v.channels === channels && v.height === height && v.width === width);
        const partner = partners[other % partners.length]!;
        push(net.op(kind === 'pair' ? 'Add' : 'Mul', [name, partner.name]));
        return;
      }
      case 'concat': {
        const partners = this.values.filter(
          (v) => v.height === height && v.width === width && v.channels + channels <= WIDEST,
        );
        const partner = partners[other % partners.length];
        if (partner === undefined) return;
        push(net.op('Concat', [name, partner.name], { axis: 1 }), { channels: channels + partner.channels });
        return;
      }
      case 'split': {
        if (channels < 2) return;
        const first = 1 + (size % (channels - 1));
        const parts = net.ops('Split', [name, net.ints(first, channels - first)], 2, { axis: 1 });
        push(parts[0]!, { channels: first });
        push(net.conv(parts[1]!, [channels - first, 3], { bias }), { channels: 3 });
        return;
      }
      case 'slices': {
        if (channels < 3) return;
        const at = 1 + (size % (channels - 2));
        const part = (from: number, to: number): string =>
          net.op('Slice', [name, net.ints(from), net.ints(to), net.ints(1)]);
        const [front, behind] = [part(0, at - channels), part(bias ? at : at - channels, 2 ** 31 - 1)];
        push(net.op('Concat', [net.op('Relu', [behind]), front], { axis: 1 }));
        return;
      }
      case 'halves': {
        if (channels < 2) return;
        const half = net.op('Div', [net.op('Gather', [net.op('Shape', [name]), net.ints(1)]), net.ints(2)]);
        const part = (from: string, to: string): string => net.op('Slice', [name, from, to, net.ints(1)]);
        const [front, behind] = [part(net.ints(0), half), part(half, net.ints(2 ** 31 - 1))];
        push(net.op('Concat', [net.op('Sigmoid', [behind]), front], { axis: 1 }));
        return;
      }
      case 'chunks': {
        if (channels % 2 !== 0) return;
        const parts = net.ops('Split', [name], 2, { axis: 1 });
        push(net.conv(parts[0]!, [channels / 2, 3], { bias }), { channels: 3 });
        push(parts[1]!, { channels: channels / 2 });
        return;
      }
      case 'attention':
        push(this.attention(value, outputs, bias ? 2 : 1, size % 2 === 0), { channels: outputs });
        return;
      case 'gather':
        push(
          net.op('Gather', [name, net.ints(...Array.from({ length: channels }, (_, i) => (i + size) % channels))], {
            axis: 1,
          }),
        );
        return;
      case 'shuffle': {
        if (channels % 2 !== 0) return;
        const apart = net.op('Reshape', [name, net.ints(0, 2, channels / 2, height, width)]);
        const turned = net.op('Transpose', [apart], { perm: [0, 2, 1, 3, 4] });
        push(net.op('Reshape', [turned, net.ints(-1, channels, height, width)]));
        return;
      }
      case 'nhwc': {
        const inner = net.op('Relu', [net.op('Transpose', [name], { perm: [0, 2, 3, 1] })]);
        push(net.op('Transpose', [net.op('Add', [inner, net.made([channels])])], { perm: [0, 3, 1, 2] }));
        return;
      }
      case 'gate': {
        const pooled = net.op('GlobalAveragePool', [name]);
        const inner = net.op('Relu', [net.conv(pooled, [channels, 2], { kernel: [1, 1], attributes: {}, bias })]);
        const gate = net.op('HardSigmoid', [net.conv(inner, [2, channels], { kernel: [1, 1], attributes: {} })]);
        push(net.op('Mul', [name, gate]));
        return;
      }
      case 'resize':
        if (height * 2 > LARGEST || width * 2 > LARGEST) return;
        push(net.op('Resize', [name, '', net.floats(1, 1, 2, 2)], { mode: bias ? 'linear' : 'nearest' }), {
          ...{ height: 2 * height, width: 2 * width },
        });
        return;
      case 'pad':
        if (height >= LARGEST || width >= LARGEST) return;
        push(net.op('Pad', [name, net.ints(0, 0, 1, 0, 0, 0, 0, 1)]), { height: height + 1, width: width + 1 });
        return;
      case 'output':
        this.outputs.push(net.op('Identity', [name]));
    }
  }

  /** Every position looks at all others; with the projections in one, or apart. */
  private attention({ name, channels, height, width }: Value, outputs: number, heads: number, packed: boolean): string {
    const { net } = this;
    const inner = 2 * heads;
    const flat = net.op('Reshape', [name, net.ints(0, channels, -1)]);
    const tokens = net.op('Transpose', [flat], { perm: [0, 2, 1] });
    const all = packed ? net.linear(tokens, [channels, 3 * inner]) : undefined;
    const parts =
      all === undefined
        ? [0, 1, 2].map(() => net.linear(tokens, [channels, inner]))
        : net.ops('Split', [all, net.ints(inner, inner, inner)], 3, { axis: -1 });
    const [q, k, v] = parts.map((part) =>
      net.op('Transpose', [net.op('Reshape', [part, net.ints(0, 0, heads, 2)])], { perm: [0, 2, 1, 3] }),
    ) as [string, string, string];
    const scores = net.product(q, net.op('Transpose', [k], { perm: [0, 1, 3, 2] }));
    const attended = net.product(net.op('Softmax', [scores], { axis: -1 }), v);
    const joined = net.op('Reshape', [net.op('Transpose', [attended], { perm: [0, 2, 1, 3] }), net.ints(0, 0, inner)]);
    const out = net.op('Transpose', [net.linear(joined, [inner, outputs])], { perm: [0, 2, 1] });
    return net.op('Reshape', [out, net.ints(0, outputs, height, width)]);
  }

  private conv(value: Value, outputs: number, bias: boolean, kernel: [number, number] = [3, 3]): void {
    const pad = (kernel[0] - 1) / 2;
    const attributes = { pads: [pad, pad, pad, pad] };
    const name = this.net.conv(value.name, [value.channels, outputs], { kernel, attributes, bias });
    this.values.push({ ...value, name, channels: outputs });
  }
}
