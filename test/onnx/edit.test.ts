import protobuf from 'protobufjs';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, int64Tensor } from '../../src/graph/tensor-data.js';
import { descriptor } from '../../src/onnx/generated/schema.js';
import { decodeModel, encodeModel } from '../../src/onnx/index.js';
import { node } from '../build-model.js';

// The file is made and looked at with protobufjs's own codec, with `$unknowns` kept, so that what the encoder loses shows.
const ModelProto = protobuf.Root.fromJSON(descriptor).lookupType('onnx.ModelProto');

/** Field 9999 as a varint: something newer than the schema. */
const UNKNOWN = Buffer.from([0xf8, 0xf0, 0x04, 42]);

const noted = { doc_string: 'doc', metadata_props: [{ key: 'k', value: 'v' }], $unknowns: [UNKNOWN] };

/** A model that has everything which the IR does not model, at every level. */
const everything = {
  ir_version: 10,
  opset_import: [{ domain: '', version: 20, $unknowns: [UNKNOWN] }],
  producer_name: 'maker',
  domain: 'com.example',
  model_version: 7,
  ...noted,
  training_info: [{ algorithm: { name: 'sgd' } }],
  functions: [{ name: 'F', domain: 'local', ...noted }],
  configuration: [{ name: 'two', num_devices: 2 }],
  graph: {
    name: 'g',
    ...noted,
    node: [
      {
        op_type: 'Gemm',
        name: 'dense',
        input: ['x', 'w', 'b'],
        output: ['y'],
        overload: 'o',
        device_configurations: [{ configuration_id: 'two' }],
        attribute: [
          { name: 'transB', type: 2, i: 1, doc_string: 'kept' },
          { name: 'alpha', type: 1, f: 0 },
        ],
        ...noted,
      },
      { op_type: 'Relu', name: 'act', input: ['y'], output: ['z'], ...noted },
      {
        op_type: 'If',
        name: 'branch',
        input: ['c'],
        output: ['i'],
        attribute: [
          {
            name: 'then_branch',
            type: 5,
            g: { name: 'inner', initializer: [{ name: 'k', dims: [1], data_type: 1, float_data: [1] }], ...noted },
          },
        ],
      },
    ],
    initializer: [
      { name: 'w', dims: [2, 3], data_type: 1, float_data: [1, 2, 3, 4, 5, 6], ...noted },
      { name: 'b', dims: [2], data_type: 1, raw_data: Buffer.alloc(8), ...noted },
    ],
    sparse_initializer: [{ values: { name: 's', dims: [1], data_type: 1, float_data: [1] }, dims: [4] }],
    input: [
      {
        name: 'x',
        type: tensorType([
          { dim_param: 'batch', denotation: 'BATCH' },
          { dim_value: 3, denotation: 'FEATURES' },
        ]),
        ...noted,
      },
    ],
    output: [{ name: 'z', type: tensorType([{ dim_param: 'batch' }, { dim_value: 2 }]) }],
    value_info: [
      { name: 'y', type: tensorType([{ dim_param: 'batch' }, { dim_value: 2, denotation: 'FEATURES' }]), ...noted },
    ],
    quantization_annotation: [{ tensor_name: 'w', quant_parameter_tensor_names: [{ key: 'SCALE', value: 's' }] }],
  },
};

function tensorType(dim: object[]): object {
  return { tensor_type: { elem_type: 1, shape: { dim } }, denotation: 'TENSOR' };
}

const bytes = ModelProto.encode(everything).finish();

/** A tree of plain values. */
type Plain = Record<string, unknown>;

/** The file as protobufjs sees it, unknown fields included. */
function look(file: Uint8Array): Plain {
  const reader = protobuf.Reader.create(file);
  reader.discardUnknown = false;
  return plain(ModelProto.decode(reader)) as Plain;
}

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  if ('unsigned' in value) return Number(String(value));
  const message = value as Plain;
  // Own keys are what was on the wire (lists also when they are empty); unknown fields are kept under a key that is not enumerable.
  const present = Object.keys(message).filter((key) => !Array.isArray(message[key]) || message[key].length > 0);
  if (message['$unknowns'] !== undefined) present.push('$unknowns');
  return Object.fromEntries(present.map((key) => [key, plain(message[key])]));
}

/** The value at a path like 'graph.node.0.name'. */
function at(tree: Plain, path: string): unknown {
  return path.split('.').reduce<unknown>((value, key) => (value as Plain)[key], tree);
}

describe('an edit changes what it says and nothing else', () => {
  let model: Model;
  let expected: Plain;

  beforeEach(() => {
    model = decodeModel(bytes);
    expected = look(bytes);
  });

  /** Sets what the written file must hold at a path; undefined for nothing. */
  function expectAt(path: string, value: unknown): void {
    const [, parent, key] = /^(.*\.)?([^.]*)$/.exec(path)!;
    const holder = (parent === undefined ? expected : at(expected, parent.slice(0, -1))) as Plain;
    if (value === undefined) Reflect.deleteProperty(holder, key!);
    else holder[key!] = value;
  }

  function check(): void {
    expect(look(Buffer.concat(encodeModel(model)))).toEqual(expected);
  }

  it('the file holds unknown fields at every level, and no edit gives the same bytes', () => {
    for (const path of ['', 'graph.', 'graph.node.0.', 'graph.initializer.0.', 'graph.value_info.0.', 'functions.0.']) {
      expect(at(expected, `${path}$unknowns`)).toEqual([[...UNKNOWN]]);
    }
    expect(Buffer.concat(encodeModel(model)).equals(bytes)).toBe(true);
  });

  it('inputs, outputs and name of a node', () => {
    const [gemm] = model.graph.nodes;
    gemm!.inputs[1] = 'w2';
    gemm!.outputs = ['y2'];
    gemm!.name = '';
    expectAt('graph.node.0.input.1', 'w2');
    expectAt('graph.node.0.output', ['y2']);
    expectAt('graph.node.0.name', undefined);
    check();
  });

  it('removing a node, adding one, changing the order', () => {
    const [gemm, , branch] = model.graph.nodes;
    model.graph.nodes = [branch!, gemm!, node('Neg', ['y'], ['z'])];
    const neg = { op_type: 'Neg', name: 'z', input: ['y'], output: ['z'] };
    expectAt('graph.node', [at(expected, 'graph.node.2'), at(expected, 'graph.node.0'), neg]);
    check();
  });

  it('adding, replacing and removing an attribute', () => {
    const { attributes } = model.graph.nodes[0]!;
    attributes.set('beta', { name: 'beta', type: 'float', value: 0.5 });
    attributes.set('transB', { ...attributes.get('transB')!, type: 'int', value: 3 });
    attributes.delete('alpha');
    expectAt('graph.node.0.attribute.0.i', 3);
    expectAt('graph.node.0.attribute.1', { name: 'beta', type: 1, f: 0.5 });
    check();
  });

  it('an attribute that changes its type loses its old value', () => {
    const { attributes } = model.graph.nodes[0]!;
    attributes.set('transB', { ...attributes.get('transB')!, type: 'ints', value: [2, -1] });
    expectAt('graph.node.0.attribute.0.i', undefined);
    expectAt('graph.node.0.attribute.0.type', 7);
    expectAt('graph.node.0.attribute.0.ints', [2, -1]);
    check();
  });

  it('replacing an initializer by a new one, or by one with new data that keeps its notes', () => {
    const { initializers } = model.graph;
    initializers.set('w', floatTensor('w', [1, 3], 'float32', [1, 2, 3]));
    initializers.set('b', { ...initializers.get('b')!, ...pick(floatTensor('b', [1], 'float32', [0.5])) });
    expectAt('graph.initializer.0', { name: 'w', dims: [1, 3], data_type: 1, raw_data: float32Bytes(1, 2, 3) });
    expectAt('graph.initializer.1.dims', [1]);
    expectAt('graph.initializer.1.raw_data', float32Bytes(0.5));
    check();
  });

  it('renaming a tensor keeps its data in the field where it is', () => {
    const { initializers } = model.graph;
    initializers.set('w', { ...initializers.get('w')!, name: 'w2' });
    expectAt('graph.initializer.0.name', 'w2');
    check();
  });

  it('an initializer of a subgraph', () => {
    const branch = model.graph.nodes[2]!.attributes.get('then_branch')!;
    if (branch.type !== 'graph') throw new Error('no graph');
    branch.value.initializers.set('k', int64Tensor('k', [1], [5]));
    const k = { name: 'k', dims: [1], data_type: 7, raw_data: [5, 0, 0, 0, 0, 0, 0, 0] };
    expectAt('graph.node.2.attribute.0.g.initializer', [k]);
    check();
  });

  it('a tensor that moves from an initializer to a Constant node keeps its notes', () => {
    const { nodes, initializers } = model.graph;
    const constant = node('Constant', [], ['b'], { value: initializers.get('b')! });
    initializers.delete('b');
    nodes.unshift(constant);
    const value = { name: 'value', type: 4, t: at(expected, 'graph.initializer.1') };
    expectAt('graph.initializer', [at(expected, 'graph.initializer.0')]);
    const before = at(expected, 'graph.node') as unknown[];
    expectAt('graph.node', [{ op_type: 'Constant', name: 'b', output: ['b'], attribute: [value] }, ...before]);
    check();
  });

  it('a dimension of a value info', () => {
    const [info] = model.graph.valueInfo;
    model.graph.valueInfo = [{ ...info!, shape: ['batch', 1] }];
    expectAt('graph.value_info.0.type.tensor_type.shape.dim.1.dim_value', 1);
    check();
  });

  it('another rank, another type, no shape', () => {
    const { graph } = model;
    graph.inputs = [{ ...graph.inputs[0]!, shape: [1, undefined, 'n'] }];
    graph.outputs = [{ ...graph.outputs[0]!, dtype: 'float16', shape: undefined }];
    expectAt('graph.input.0.type.tensor_type.shape.dim', [{ dim_value: 1 }, {}, { dim_param: 'n' }]);
    expectAt('graph.output.0.type.tensor_type', { elem_type: 10 });
    check();
  });

  it('metadata: one entry more, one changed', () => {
    model.metadata = [{ key: 'condense.version', value: '1' }, ...model.metadata];
    expectAt('metadata_props', [{ key: 'condense.version', value: '1' }, at(expected, 'metadata_props.0')]);
    check();
    model.metadata[1]!.value = 'w';
    expectAt('metadata_props.1', { key: 'k', value: 'w' });
    check();
  });

  it('graph name, IR version, opsets, producer, functions', () => {
    const opsets = new Map([
      ['', 21],
      ['local', 1],
    ]);
    model = { ...model, irVersion: 9, functions: [], producer: { name: 'we', version: '1' }, opsets };
    model.graph.name = 'h';
    expectAt('ir_version', 9);
    expectAt('producer_name', 'we');
    expectAt('producer_version', '1');
    expectAt('functions', undefined);
    expectAt('graph.name', 'h');
    expectAt('opset_import', [{ version: 21 }, { domain: 'local', version: 1 }]);
    check();
  });
});

function float32Bytes(...values: number[]): number[] {
  return [...new Uint8Array(Float32Array.from(values).buffer)];
}

/** What a tensor consists of, without its origin. */
function pick({
  dims,
  storage,
}: ReturnType<typeof floatTensor>): Pick<ReturnType<typeof floatTensor>, 'dims' | 'storage'> {
  return { dims, storage };
}
