import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import { checkTriton, tritonConfig, writeTriton } from '../../src/emit/triton.js';
import type { Model } from '../../src/graph/ir.js';
import { readModel, writeModel } from '../../src/onnx/index.js';
import { buildModel, node, type IoSpec } from '../build-model.js';
import { smoothNetwork } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const newFolder = temporaryFolders();
const modelWith = (input: Omit<IoSpec, 'name'>, output: Omit<IoSpec, 'name'> = input): Model =>
  buildModel({
    inputs: [{ name: 'x', ...input }],
    nodes: [node('Identity', ['x'], ['y'])],
    outputs: [{ name: 'y', ...output }],
  });

describe('config.pbtxt', () => {
  it('of a model with an open batch', () => {
    expect(tritonConfig(smoothNetwork(), 'smooth')).toBe(`name: "smooth"
backend: "onnxruntime"
max_batch_size: 1024
input [
  {
    name: "x"
    data_type: TYPE_FP32
    dims: [ 2 ]
  }
]
output [
  {
    name: "y"
    data_type: TYPE_FP32
    dims: [ 3 ]
  }
]
`);
  });

  it.each([
    ['a fixed batch', modelWith({ shape: [1, 3, 'h', undefined] }), 0, '[ 1, 3, -1, -1 ]'],
    ['axes 0 of different names', modelWith({ shape: ['n', 3] }, { shape: ['m', 3] }), 0, '[ -1, 3 ]'],
    ['an output without the batch', modelWith({ shape: ['n', 3] }, { shape: [3] }), 0, '[ -1, 3 ]'],
    ['open axes behind the batch', modelWith({ shape: ['n', 't', 3] }), 1024, '[ -1, 3 ]'],
    ['nothing but the batch', modelWith({ shape: ['n'] }), 1024, '[ 1 ]\n    reshape: { shape: [ ] }'],
    ['a scalar', modelWith({ shape: [] }), 0, '[ 1 ]\n    reshape: { shape: [ ] }'],
  ])('%s', (_what, model, batch, dims) => {
    const text = tritonConfig(model, 'm');
    expect(text).toContain(`max_batch_size: ${batch}\n`);
    expect(text).toContain(`dims: ${dims}\n`);
  });

  it('types; initializers are no inputs; shapes that are not stated are left to the server', () => {
    expect(tritonConfig(modelWith({ dtype: 'int64', shape: ['n', 1] }), 'm')).toContain('TYPE_INT64');
    expect(tritonConfig(smoothNetwork(), 'm').match(/name: "(?!m")/g)).toHaveLength(2);
    const open = tritonConfig(modelWith({ shape: ['n', 3] }, {}), 'm');
    expect(open).toContain('max_batch_size: 0\n');
    expect(open).not.toContain('output [');
    expect(() => tritonConfig(modelWith({ dtype: 'bfloat16', shape: ['n'] }), 'm')).toThrow(/no type for 'x'/);
  });
});

describe('the folder', () => {
  const filesBelow = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
      .sort();

  /** A model as it is read from a file. */
  async function readBack(model: Model, options = {}): Promise<Model> {
    const file = path.join(newFolder(), 'net.onnx');
    await writeModel(model, file, options);
    return readModel(file);
  }

  it('appears with the model and its configuration; the repository is made where its folder is there', async () => {
    const repository = path.join(newFolder(), 'models');
    const files = await writeTriton(smoothNetwork(), { repository, name: 'net' }, { inPlace: false });
    expect(files).toEqual(['net/config.pbtxt', 'net/1/model.onnx']);
    expect(filesBelow(repository)).toEqual(['net/1/model.onnx', 'net/config.pbtxt']);
    expect((await readModel(path.join(repository, 'net/1/model.onnx'))).graph.name).toBe('smooth');
  });

  it('with external data the model is a folder of that name', async () => {
    const repository = newFolder();
    const options = { inPlace: false, externalData: { name: 'weights.bin' } };
    const files = await writeTriton(smoothNetwork(), { repository, name: 'net' }, options);
    expect(files.slice(1)).toEqual(['net/1/model.onnx/model.onnx', 'net/1/model.onnx/weights.bin']);
    expect(filesBelow(repository)).toEqual([...files].sort());
    const { source } = await readModel(path.join(repository, files[1]!));
    expect(source!.externalFiles).toEqual(['weights.bin']);
  });

  it('another model is refused, without a word about it written', async () => {
    const repository = newFolder();
    const target = { repository, name: 'net' };
    mkdirSync(path.join(repository, 'net', '1'), { recursive: true });
    writeFileSync(path.join(repository, 'net', '1', 'model.onnx'), 'something else');
    const input = await readBack(smoothNetwork());
    await expect(checkTriton(input, target, false)).rejects.toThrow(CondenseError);
    await expect(checkTriton(input, target, true)).resolves.toBeUndefined();
    await expect(
      checkTriton(input, { repository: path.join(repository, 'a', 'b'), name: 'net' }, false),
    ).rejects.toThrow(/no folder/);
    expect(filesBelow(repository)).toEqual(['net/1/model.onnx']);
  });

  it('a model from the same input is exchanged: other versions and an edited configuration stay', async () => {
    const repository = newFolder();
    const target = { repository, name: 'net' };
    const input = await readBack(smoothNetwork());
    const metadata = [{ key: 'onnx_condense.input_sha256', value: input.source!.sha256 }];
    await writeTriton({ ...input, metadata }, target, { inPlace: false, externalData: {} });
    mkdirSync(path.join(repository, 'net', '2'));
    writeFileSync(path.join(repository, 'net', '2', 'model.onnx'), 'newer');
    writeFileSync(path.join(repository, 'net', 'config.pbtxt'), 'edited');
    await checkTriton(input, target, false);
    const files = await writeTriton(input, target, { inPlace: false });
    expect(files).toEqual(['net/1/model.onnx']);
    expect(filesBelow(repository)).toEqual(['net/1/model.onnx', 'net/2/model.onnx', 'net/config.pbtxt']);
    expect(readFileSync(path.join(repository, 'net', 'config.pbtxt'), 'utf8')).toBe('edited');
    await writeTriton(input, target, { inPlace: true });
    expect(readFileSync(path.join(repository, 'net', 'config.pbtxt'), 'utf8')).toMatch(/^name: "net"\n/);
  });

  it('a failure leaves nothing behind', async () => {
    const repository = path.join(newFolder(), 'file');
    writeFileSync(repository, 'no folder');
    await expect(writeTriton(smoothNetwork(), { repository, name: 'net' }, { inPlace: false })).rejects.toThrow(
      CondenseError,
    );
    expect(readdirSync(path.dirname(repository))).toEqual(['file']);
  });
});
