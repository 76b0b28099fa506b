import { describe, expect, it } from 'vitest';
import { floatTensor } from '../../src/graph/tensor-data.js';
import { decodeModel, encodeModel } from '../../src/onnx/index.js';
import { buildModel, node } from '../build-model.js';
import { onnx } from '../onnx-proto.js';

const model = buildModel({
  name: 'g',
  inputs: [{ name: 'x', shape: ['batch', 2] }],
  outputs: [{ name: 'y', shape: ['batch', 1] }],
  nodes: [node('Gemm', ['x', 'w'], ['y'], { transB: 1, alpha: { float: 0.5 } }, { name: 'dense' })],
  initializers: [floatTensor('w', [1, 2], 'float32', [1, 2])],
  metadata: { key: 'value' },
});

describe('users of onnx-proto 8', () => {
  it('can read what is written', () => {
    const shape = (last: string): object => ({ dim: [{ dimParam: 'batch' }, { dimValue: last }] });
    const type = (last: string): object => ({ tensorType: { elemType: 1, shape: shape(last) } });
    expect(onnx.ModelProto.decode(Buffer.concat(encodeModel(model))).toJSON()).toEqual({
      irVersion: '8',
      producerName: 'test',
      opsetImport: [{ version: '17' }],
      metadataProps: [{ key: 'key', value: 'value' }],
      graph: {
        name: 'g',
        node: [
          {
            opType: 'Gemm',
            name: 'dense',
            input: ['x', 'w'],
            output: ['y'],
            attribute: [
              { name: 'transB', type: 'INT', i: '1' },
              { name: 'alpha', type: 'FLOAT', f: 0.5 },
            ],
          },
        ],
        initializer: [{ name: 'w', dims: ['1', '2'], dataType: 1, rawData: 'AACAPwAAAEA=' }],
        input: [{ name: 'x', type: type('2') }],
        output: [{ name: 'y', type: type('1') }],
      },
    });
  });

  it('can be read: what they write comes back byte for byte', () => {
    const theirs = onnx.ModelProto.decode(Buffer.concat(encodeModel(model)));
    const bytes = onnx.ModelProto.encode(theirs).finish();
    const read = decodeModel(bytes);
    expect(read.graph.nodes[0]!.attributes.get('alpha')).toMatchObject({ type: 'float', value: 0.5 });
    expect(Buffer.concat(encodeModel(read)).equals(bytes)).toBe(true);
  });
});
