import { describe, expect, it } from 'vitest';
import protobuf from 'protobufjs';
import type { Model } from '../../src/graph/ir.js';
import { elementCount } from '../../src/graph/tensor.js';
import { floatTensor, toFloat64, toIntegers } from '../../src/graph/tensor-data.js';
import { descriptor } from '../../src/onnx/generated/schema.js';
import { decodeModel, encodeModel } from '../../src/onnx/index.js';
import { buildGraph, buildModel, node } from '../build-model.js';

// protobufjs's own encoder over the same schema makes the files: an independent implementation of the wire format.
const root = protobuf.Root.fromJSON(descriptor);

function encode(model: object, type = 'onnx.ModelProto'): Uint8Array {
  const message = root.lookupType(type);
  return message.encode(message.fromObject(model)).finish();
}

function modelWith(graph: object): Uint8Array {
  return encode({ ir_version: 8, graph: { name: 'g', ...graph } });
}

function tensorOf(
  tensor: object,
): ReturnType<typeof decodeModel>['graph']['initializers'] extends Map<string, infer T> ? T : never {
  return decodeModel(modelWith({ initializer: [{ name: 't', ...tensor }] })).graph.initializers.get('t')!;
}

describe('typed tensor fields', () => {
  it.each([
    ['float_data', { dims: [2], data_type: 1, float_data: [1.5, -2] }, [1.5, -2]],
    ['double_data', { dims: [2], data_type: 11, double_data: [1e300, -2] }, [1e300, -2]],
    ['float16 bits in int32_data', { dims: [2], data_type: 10, int32_data: [0x3c00, 0xc000] }, [1, -2]],
    ['bfloat16 bits in int32_data', { dims: [1], data_type: 16, int32_data: [0x3f80] }, [1]],
    ['int32', { dims: [2], data_type: 6, int32_data: [-5, 2147483647] }, [-5, 2147483647]],
    ['int16', { dims: [2], data_type: 5, int32_data: [-5, 300] }, [-5, 300]],
    ['uint16', { dims: [1], data_type: 4, int32_data: [65535] }, [65535]],
    ['int8', { dims: [2], data_type: 3, int32_data: [-128, 127] }, [-128, 127]],
    ['uint8', { dims: [1], data_type: 2, int32_data: [255] }, [255]],
    ['bool', { dims: [2], data_type: 9, int32_data: [1, 0] }, [1, 0]],
    ['int64', { dims: [2], data_type: 7, int64_data: [-1, 2 ** 40] }, [-1, 2 ** 40]],
    ['uint32', { dims: [1], data_type: 12, uint64_data: [4294967295] }, [4294967295]],
    ['uint64', { dims: [1], data_type: 13, uint64_data: [2 ** 52] }, [2 ** 52]],
    ['an empty tensor', { dims: [0, 3], data_type: 1 }, []],
    ['a scalar', { data_type: 1, float_data: [3] }, [3]],
  ])('%s', (_, tensor, expected) => {
    const read = tensorOf(tensor);
    expect([...toFloat64(read)]).toEqual(expected);
    expect(elementCount(read.dims)).toBe(expected.length);
  });

  it('reads float_data that is not packed', () => {
    // Field 4 with wire type 5 (tag 0x25), once per element, as old proto2 writers did.
    const tensor = Buffer.from([0x08, 2, 0x10, 1, 0x25, 0, 0, 0xc0, 0x3f, 0x25, 0, 0, 0, 0xc0, 0x42, 1, 0x74]);
    const graph = Buffer.from([0x2a, tensor.length, ...tensor]);
    const model = decodeModel(Buffer.from([0x3a, graph.length, ...graph]));
    expect([...toFloat64(model.graph.initializers.get('t')!)]).toEqual([1.5, -2]);
  });

  it('gives raw_data as a view on the file', () => {
    const bytes = modelWith({
      initializer: [{ name: 't', dims: [4], data_type: 2, raw_data: Buffer.from([1, 2, 3, 4]) }],
    });
    const data = decodeModel(bytes).graph.initializers.get('t')!.storage.bytes();
    expect(data.buffer).toBe(bytes.buffer);
    expect([...data]).toEqual([1, 2, 3, 4]);
  });

  it('keeps int64 exact', () => {
    const tensor = tensorOf({ dims: [1], data_type: 7, int64_data: [{ low: -1, high: 0x7fffffff, unsigned: false }] });
    expect(new DataView(tensor.storage.bytes().buffer).getBigInt64(0, true)).toBe(2n ** 63n - 1n);
    expect(toIntegers(tensor)).toEqual([Number.MAX_SAFE_INTEGER]);
  });

  it.each([
    ['too few bytes', { dims: [3], data_type: 1, raw_data: Buffer.alloc(8) }, /needs 12 bytes, 8 are there/],
    ['too many floats', { dims: [1], data_type: 1, float_data: [1, 2] }, /needs 4 bytes, 8 are there/],
    ['no data', { dims: [1], data_type: 1 }, /needs 4 bytes, 0 are there/],
    ['a negative dimension', { dims: [-1], data_type: 1 }, /negative dimension/],
  ])('refuses %s', (_, tensor, message) => {
    expect(() => tensorOf(tensor)).toThrow(message);
  });

  it.each([
    ['too many', [1, 2, 3]],
    ['too few', [1]],
  ])('refuses %s varints when they are decoded', (what, int64_data) => {
    const tensor = tensorOf({ dims: [2], data_type: 7, int64_data });
    expect(() => toIntegers(tensor)).toThrow(`int64_data holds ${what} values`);
  });
});

describe('decoded IR', () => {
  it('normalises the default domain and keeps its spelling in the file', () => {
    const bytes = encode({
      ir_version: 8,
      opset_import: [{ domain: 'ai.onnx', version: 17 }],
      graph: { node: [{ op_type: 'Relu', domain: 'ai.onnx', input: ['x'], output: ['y'] }] },
    });
    const model = decodeModel(bytes);
    expect(model.graph.nodes[0]!.domain).toBe('');
    expect(model.opsets.get('')).toBe(17);
    expect(Buffer.concat(encodeModel(model))).toEqual(Buffer.from(bytes));
  });

  it('reads the shapes of values: numbers, symbols, unknown dimensions, unknown rank, no tensor', () => {
    const dim = [{ dim_value: 0 }, { dim_param: 'batch' }, {}];
    const input = [
      { name: 'known', type: { tensor_type: { elem_type: 1, shape: { dim } } } },
      { name: 'no rank', type: { tensor_type: { elem_type: 7 } } },
      { name: 'list', type: { sequence_type: { elem_type: { tensor_type: { elem_type: 1 } } } } },
    ];
    const { inputs } = decodeModel(modelWith({ input })).graph;
    expect(inputs.map(({ name, dtype, shape }) => ({ name, dtype, shape }))).toEqual([
      { name: 'known', dtype: 'float32', shape: [0, 'batch', undefined] },
      { name: 'no rank', dtype: 'int64', shape: undefined },
      { name: 'list', dtype: undefined, shape: undefined },
    ]);
  });

  it('reads the value of an attribute that does not declare its type, as IR version 1 wrote it', () => {
    const attribute = [
      { name: 'axis', i: 2 },
      { name: 'ratio', f: 0.5 },
      { name: 'ref', type: 2, ref_attr_name: 'outer' },
    ];
    const [first] = decodeModel(modelWith({ node: [{ op_type: 'Op', attribute }] })).graph.nodes;
    expect(first!.attributes.get('axis')).toMatchObject({ type: 'int', value: 2 });
    expect(first!.attributes.get('ratio')).toMatchObject({ type: 'float', value: 0.5 });
    expect(first!.attributes.get('ref')).toMatchObject({ type: 'opaque' });
  });

  it('counts the parameters of functions', () => {
    const value = { dims: [3], data_type: 1, float_data: [1, 2, 3] };
    const body = [{ op_type: 'Constant', output: ['c'], attribute: [{ name: 'value', type: 4, t: value }] }];
    const model = decodeModel(
      encode({ ir_version: 8, graph: {}, functions: [{ name: 'F', domain: 'local', node: body }] }),
    );
    expect(model.functions).toMatchObject([{ name: 'F', domain: 'local', parameterCount: 3 }]);
  });
});

describe('files that are no models', () => {
  const model = buildModel({
    inputs: [{ name: 'x', shape: ['batch', 2] }],
    outputs: [{ name: 'y' }],
    nodes: [node('Gemm', ['x', 'w'], ['h'], { alpha: { float: 2 }, transB: 1 }), node('Relu', ['h'], ['y'])],
    initializers: [floatTensor('w', [1, 2], 'float32', [1, 2])],
  });
  const valid = Buffer.concat(encodeModel(model));

  it.each([
    ['an empty file', new Uint8Array(0), 'MODEL_FILE_EMPTY'],
    ['text', Buffer.from('<!DOCTYPE html><html>Not found</html>'), 'MODEL_MALFORMED'],
    ['zeros', new Uint8Array(100), 'MODEL_MALFORMED'],
    ['half a model', valid.subarray(0, valid.length / 2), 'MODEL_MALFORMED'],
    [
      'another protobuf without a graph',
      encode({ domain: 'a', version: 3 }, 'onnx.OperatorSetIdProto'),
      'MODEL_WITHOUT_GRAPH',
    ],
    ['a model without a graph', encode({ ir_version: 8 }), 'MODEL_WITHOUT_GRAPH'],
    ['a graph of the wrong wire type', Buffer.from([0x38, 1]), 'MODEL_MALFORMED'],
  ])('%s is refused with exit code 4', (_, bytes, code) => {
    expect(diagnosticOf(() => decodeModel(bytes, { path: 'a.onnx' }))).toMatchObject({
      code,
      exitCode: 4,
      where: 'a.onnx',
    });
  });

  it('every truncation is refused or still a graph, never a crash', () => {
    for (let length = 0; length < valid.length; length++) {
      const diagnostic = diagnosticOf(() => decodeModel(valid.subarray(0, length)));
      if (diagnostic !== undefined) expect(diagnostic.exitCode).toBe(4);
    }
  });

  it('a damaged file is refused or read, never a crash', () => {
    // A multiplicative generator (Park and Miller) instead of Math.random: a failure can be repeated.
    let state = 1;
    const random = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    let refused = 0;
    for (let trial = 0; trial < 2000; trial++) {
      const damaged = Uint8Array.from(valid);
      for (let i = random(3); i >= 0; i--) damaged[random(damaged.length)] = random(256);
      const diagnostic = diagnosticOf(() => {
        const read = decodeModel(damaged);
        read.graph.nodes.forEach((n) => (n.name += '!'));
        encodeModel(read);
      });
      if (diagnostic !== undefined) refused++;
    }
    expect(refused).toBeGreaterThan(100);
  });

  it('subgraphs without end do not exhaust the stack', () => {
    let graph = buildGraph({ outputs: [], nodes: [] });
    for (let i = 0; i < 200; i++)
      graph = buildGraph({ outputs: [], nodes: [node('If', ['c'], ['y'], { then_branch: graph })] });
    const deep: Model = { ...model, graph };
    const bytes = Buffer.concat(encodeModel(deep));
    expect(diagnosticOf(() => decodeModel(bytes))).toMatchObject({ code: 'MODEL_NESTED_TOO_DEEPLY' });
  });
});

function diagnosticOf(run: () => unknown): { code: string; exitCode: number } | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof Error && 'diagnostic' in error) return error.diagnostic as { code: string; exitCode: number };
    throw error;
  }
}

describe('models that were never in a file', () => {
  it('are written with every kind of attribute and read back the same', () => {
    const inner = buildGraph({
      name: 'inner',
      outputs: [{ name: 'z', shape: [1] }],
      nodes: [node('Neg', ['x'], ['z'])],
    });
    const attributes = {
      int: -3,
      ints: [1, -2],
      float: { float: 0.5 },
      floats: { floats: [0.25, 4] },
      text: 'ä',
      texts: { strings: ['a', ''] },
      tensor: floatTensor('c', [2], 'float32', [1, 2]),
      graph: inner,
    };
    const model = buildModel({
      name: 'g',
      inputs: [{ name: 'x', shape: ['batch', 3, undefined] }],
      outputs: [{ name: 'y', dtype: 'int64' }],
      nodes: [node('Op', ['x', '', 'w'], ['y'], attributes, { name: 'first', domain: 'custom' })],
      initializers: [floatTensor('w', [2, 1], 'float16', [1, 2]), floatTensor('empty', [0], 'float32', [])],
      valueInfo: [{ name: 'v', shape: [] }],
      opset: 19,
      irVersion: 9,
      metadata: { key: 'value' },
    });
    const read = decodeModel(Buffer.concat(encodeModel(model)));
    expect(withoutOrigins(read)).toEqual(withoutOrigins(model));
  });
});

/** The model as plain data, with tensors as bytes. */
function withoutOrigins(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (value instanceof Map) return [...value].map(([key, item]) => [key, withoutOrigins(item)]);
  if (Array.isArray(value)) return value.map(withoutOrigins);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'origin');
  if (entries.some(([key]) => key === 'bytes')) return withoutOrigins((value as { bytes: () => Uint8Array }).bytes());
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutOrigins(item)]));
}
