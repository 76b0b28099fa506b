import fc from 'fast-check';
import type { Model, Node } from '../../src/graph/ir.js';
import type { Tensor } from '../../src/graph/tensor.js';
import { buildModel, node, type AttributeValue } from '../build-model.js';
import { constant, integers, weights } from '../dense.js';

/** One step of a random dense graph. Numbers choose among what there is: `from` a value, `other` a second one. */
type Step =
  | { readonly kind: 'gemm'; readonly from: number; readonly width: number; readonly attributes: GemmStep }
  | { readonly kind: 'matmul'; readonly from: number; readonly width: number; readonly bias: boolean }
  | { readonly kind: 'shared'; readonly from: number }
  | { readonly kind: 'unary'; readonly from: number; readonly op: (typeof UNARY)[number] }
  | {
      readonly kind: 'scalar';
      readonly from: number;
      readonly op: 'Mul' | 'Add' | 'Div' | 'Sub';
      readonly first: boolean;
    }
  | { readonly kind: 'vector'; readonly from: number; readonly op: 'Mul' | 'Add' | 'PRelu' | 'BatchNormalization' }
  | { readonly kind: 'decomposed'; readonly from: number; readonly op: 'gelu' | 'silu' }
  | { readonly kind: 'pair'; readonly from: number; readonly other: number; readonly op: 'Add' | 'Sub' | 'Mul' | 'Max' }
  | { readonly kind: 'concat'; readonly from: number; readonly other: number }
  | { readonly kind: 'reshape'; readonly from: number; readonly op: 'Reshape' | 'Unsqueeze' | 'Flatten' }
  | { readonly kind: 'output'; readonly from: number };

interface GemmStep {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: 'vector' | 'row' | 'one' | 'scalar' | 'none';
}

const UNARY = [
  'Relu',
  'LeakyRelu',
  'Tanh',
  'Sigmoid',
  'Identity',
  'Neg',
  'Abs',
  'Softplus',
  'Elu',
  'Erf',
  'Dropout',
] as const;

const from = fc.nat(9);
const width = fc.constantFrom(3, 4);
const layer = fc.oneof(
  fc.record({
    kind: fc.constant('gemm' as const),
    from,
    width,
    attributes: fc.record({
      transA: fc.boolean(),
      transB: fc.boolean(),
      alpha: fc.constantFrom(1, 1, 0.5, -2),
      beta: fc.constantFrom(1, 1, 0.5, -2, 0),
      bias: fc.constantFrom('vector', 'row', 'one', 'scalar', 'none'),
    }),
  }),
  fc.record({ kind: fc.constant('matmul' as const), from, width, bias: fc.boolean() }),
);
const between = fc.oneof(
  fc.record({ kind: fc.constant('unary' as const), from, op: fc.constantFrom(...UNARY) }),
  fc.record({
    kind: fc.constant('scalar' as const),
    from,
    op: fc.constantFrom('Mul', 'Add', 'Div', 'Sub'),
    first: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('vector' as const),
    from,
    op: fc.constantFrom('Mul', 'Add', 'PRelu', 'BatchNormalization'),
  }),
  fc.record({ kind: fc.constant('decomposed' as const), from, op: fc.constantFrom('gelu', 'silu') }),
  fc.record({
    kind: fc.constant('pair' as const),
    from,
    other: from,
    op: fc.constantFrom('Add', 'Add', 'Sub', 'Mul', 'Max'),
  }),
  fc.record({ kind: fc.constant('concat' as const), from, other: from }),
  fc.record({ kind: fc.constant('reshape' as const), from, op: fc.constantFrom('Reshape', 'Unsqueeze', 'Flatten') }),
  fc.record({ kind: fc.constant('shared' as const), from }),
  fc.record({ kind: fc.constant('output' as const), from }),
);

/** Random small dense graphs over x [rows, 3]. */
export function denseGraphs(): fc.Arbitrary<Model> {
  return fc
    .array(fc.oneof({ weight: 2, arbitrary: layer }, { weight: 3, arbitrary: between }), {
      minLength: 3,
      maxLength: 10,
    })
    .map((steps) => new Builder().build(steps));
}

/** A value of rank 2 and how many features it has. */
interface Value {
  readonly name: string;
  readonly width: number;
}

class Builder {
  private readonly nodes: Node[] = [];
  private readonly constants: Tensor[] = [];
  private readonly values: Value[] = [{ name: 'x', width: 3 }];
  private readonly outputs: string[] = [];
  private lastWeight: { name: string; inputs: number; outputs: number } | undefined;

  build(steps: readonly Step[]): Model {
    for (const step of steps) this.step(step);
    // The last value and the one before are read, so that most of what was made matters.
    for (const value of this.values.slice(-2)) this.add('MatMul', [value.name, this.made([value.width, 2])], 2, true);
    return buildModel({
      inputs: [{ name: 'x', shape: ['rows', 3] }],
      nodes: this.nodes,
      initializers: this.constants,
      outputs: this.outputs.map((name) => ({ name })),
    });
  }

  private step(step: Step): void {
    const value = this.pick(step.from);
    switch (step.kind) {
      case 'gemm':
        this.gemm(value, step.width, step.attributes);
        return;
      case 'matmul': {
        const product = this.add('MatMul', [value.name, this.weight(value.width, step.width)], step.width);
        if (step.bias) this.add('Add', [product.name, this.made([step.width])], step.width);
        return;
      }
      case 'shared':
        if (this.lastWeight?.inputs === value.width)
          this.add('MatMul', [value.name, this.lastWeight.name], this.lastWeight.outputs);
        return;
      case 'unary':
        this.add(step.op, [value.name], value.width);
        return;
      case 'scalar': {
        const number = this.held(constant('', [], [1.25]));
        // onnxruntime 1.30 makes an invalid graph of two factors in a row where a MatMul reads both.
        const last = this.nodes.find((n) => n.outputs[0] === value.name);
        const scales = last !== undefined && ['Mul', 'Div'].includes(last.opType);
        const op = scales && (step.op === 'Mul' || step.op === 'Div') ? 'Sub' : step.op;
        this.add(op, step.first && op !== 'Div' ? [number, value.name] : [value.name, number], value.width);
        return;
      }
      case 'vector':
        this.vector(value, step.op);
        return;
      case 'decomposed':
        this.decomposed(value, step.op);
        return;
      case 'pair': {
        const partners = this.values.filter((v) => v.width === value.width);
        this.add(step.op, [value.name, partners[step.other % partners.length]!.name], value.width);
        return;
      }
      case 'concat': {
        const other = this.pick(step.other);
        this.add('Concat', [value.name, other.name], value.width + other.width, false, { axis: 1 });
        return;
      }
      case 'reshape': {
        if (step.op === 'Flatten') this.add('Flatten', [value.name], value.width);
        else if (step.op === 'Reshape')
          this.add('Reshape', [value.name, this.held(integers('', [-1, value.width]))], value.width);
        else {
          const axis = this.held(integers('', [1]));
          this.nodes.push(node('Unsqueeze', [value.name, axis], [`${value.name}_u${this.nodes.length}`]));
          this.add('Squeeze', [this.nodes.at(-1)!.outputs[0]!, axis], value.width);
        }
        return;
      }
      case 'output':
        // Through an Identity: onnxruntime 1.30 crashes on a Gemm between two Transposes whose output is a graph output.
        this.add('Identity', [value.name], value.width, true);
    }
  }

  private gemm(value: Value, outputs: number, { transA, transB, alpha, beta, bias }: GemmStep): void {
    let input = value.name;
    if (transA) {
      input = `${value.name}_t${this.nodes.length}`;
      this.nodes.push(node('Transpose', [value.name], [input]));
    }
    const weight = transB ? this.made([outputs, value.width]) : this.weight(value.width, outputs);
    const dims = { vector: [outputs], row: [1, outputs], one: [1], scalar: [], none: undefined }[bias];
    const attributes: Record<string, AttributeValue> = { alpha: { float: alpha }, beta: { float: beta } };
    if (transA) attributes['transA'] = 1;
    if (transB) attributes['transB'] = 1;
    this.add('Gemm', [input, weight, ...(dims === undefined ? [] : [this.made(dims)])], outputs, false, attributes);
  }

  private vector(value: Value, op: 'Mul' | 'Add' | 'PRelu' | 'BatchNormalization'): void {
    const { name, width: n } = value;
    if (op === 'BatchNormalization') {
      const ones = this.held(constant('', [n], new Array<number>(n).fill(1.5)));
      this.add(op, [name, this.made([n]), this.made([n]), this.made([n]), ones], n);
    } else this.add(op, [name, this.made([n])], n);
  }

  private decomposed(value: Value, op: 'gelu' | 'silu'): void {
    const { name, width: n } = value;
    if (op === 'silu') {
      this.add('Mul', [name, this.add('Sigmoid', [name], n).name], n);
      return;
    }
    const scaled = this.add('Div', [name, this.held(constant('', [], [Math.SQRT2]))], n);
    const erf = this.add('Erf', [scaled.name], n);
    const plus = this.add('Add', [erf.name, this.held(constant('', [1], [1]))], n);
    const product = this.add('Mul', [name, plus.name], n);
    this.add('Mul', [product.name, this.held(constant('', [], [0.5]))], n);
  }

  private pick(index: number): Value {
    // Late values are picked more often: chains rather than stars.
    return this.values[Math.max(0, this.values.length - 1 - (index % 4))]!;
  }

  private add(
    op: string,
    inputs: string[],
    features: number,
    output = false,
    attributes: Record<string, AttributeValue> = {},
  ): Value {
    const value = { name: `${op.toLowerCase()}${this.nodes.length}`, width: features };
    this.nodes.push(node(op, inputs, [value.name], attributes));
    if (output) this.outputs.push(value.name);
    else this.values.push(value);
    return value;
  }

  private weight(inputs: number, outputs: number): string {
    const name = this.made([inputs, outputs]);
    this.lastWeight = { name, inputs, outputs };
    return name;
  }

  private made(dims: readonly number[]): string {
    return this.held(weights('', dims, 1000 + this.constants.length));
  }

  private held(tensor: Tensor): string {
    const name = `c${this.constants.length}`;
    this.constants.push({ ...tensor, name });
    return name;
  }
}
