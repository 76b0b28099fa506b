import { existsSync, mkdirSync, readFileSync, statSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, memoryStorage, toFloat32 } from '../../src/graph/tensor-data.js';
import { decodeModel, encodeModel, PROTOBUF_LIMIT, readModel, writeModel } from '../../src/onnx/index.js';
import { buildModel, node } from '../build-model.js';
import { sharedModels } from '../shared-models.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
const shared = sharedModels();

const weights = Array.from({ length: 2000 }, (_, i) => i / 7);

/** y = (x + w) + c + small, with w an initializer, c in a Constant node; 8000 bytes each. */
function model(): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: [2000] }],
    outputs: [{ name: 'y', shape: [2000] }],
    nodes: [
      node('Constant', [], ['c'], { value: floatTensor('', [2000], 'float32', weights) }),
      node('Add', ['x', 'w'], ['xw']),
      node('Add', ['xw', 'c'], ['xwc']),
      node('Add', ['xwc', 'v'], ['xwcv']),
      node('Add', ['xwcv', 'small'], ['y']),
    ],
    initializers: [
      floatTensor('w', [2000], 'float32', weights),
      floatTensor('small', [1], 'float32', [1]),
      floatTensor('v', [2000], 'float32', weights),
    ],
  });
}

async function run(file: string): Promise<unknown> {
  const session = await InferenceSession.create(file);
  try {
    const { y } = await session.run({ x: new RuntimeTensor('float32', new Float32Array(2000), [2000]) });
    return y!.data;
  } finally {
    await session.release();
  }
}

const expected = Float32Array.from(weights, (w) => Math.fround(Math.fround(Math.fround(w) * 3) + 1));

async function diagnosticOf(run: () => unknown): Promise<{ code: string; exitCode: number; message: string }> {
  try {
    await run();
  } catch (error) {
    if (error instanceof CondenseError) return error.diagnostic;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('writing external data', () => {
  it('moves large initializers to aligned offsets of model.onnx.data, and onnxruntime reads them', async () => {
    const target = path.join(folder(), 'model.onnx');
    const written = await writeModel(model(), target, { externalData: {} });
    expect(written.files).toEqual([target, `${target}.data`]);
    expect(written.byteLength).toBe(statSync(target).size + statSync(`${target}.data`).size);
    expect(statSync(`${target}.data`).size).toBe(8192 + 8000);
    const read = await readModel(target);
    expect(read.source!.externalFiles).toEqual(['model.onnx.data']);
    expect([...toFloat32(read.graph.initializers.get('v')!)]).toEqual([...Float32Array.from(weights)]);
    expect(await run(target)).toEqual(expected);
  });

  it('takes a name, a threshold and an alignment', async () => {
    const target = path.join(folder(), 'model.onnx');
    const { files } = await writeModel(model(), target, {
      externalData: { name: 'w.bin', threshold: 0, alignment: 64 },
    });
    expect(files[1]).toBe(path.join(path.dirname(target), 'w.bin'));
    // w at 0, small at 8000, v at the next multiple of 64.
    expect(statSync(files[1]!).size).toBe(8064 + 8000);
    expect(await run(target)).toEqual(expected);
  });

  it('writes no data file when nothing is large enough', async () => {
    const target = path.join(folder(), 'model.onnx');
    const written = await writeModel(model(), target, { externalData: { threshold: 10_000 } });
    expect(written.files).toEqual([target]);
    expect(existsSync(`${target}.data`)).toBe(false);
  });

  it.each(['', '..', 'sub/w.bin', '..\\w.bin', '/w.bin', 'model.onnx'])('refuses the name %j', async (name) => {
    const target = path.join(folder(), 'model.onnx');
    const diagnostic = await diagnosticOf(() => writeModel(model(), target, { externalData: { name } }));
    expect(diagnostic).toMatchObject({ code: 'EXTERNAL_NAME_INVALID', exitCode: 2 });
  });

  it('goes external by itself above the limit of a file, Constant nodes too when that is not enough', async () => {
    const target = path.join(folder(), 'model.onnx');
    expect((await writeModel(model(), target, { embedLimit: 20_000 })).files).toHaveLength(2);
    expect(statSync(target).size).toBeGreaterThan(8000);
    const again = path.join(folder(), 'model.onnx');
    expect((await writeModel(model(), again, { embedLimit: 4000 })).files).toHaveLength(2);
    expect(statSync(again).size).toBeLessThan(4000);
    const [constant] = (await readModel(again)).graph.nodes;
    const value = constant!.attributes.get('value')!;
    expect(value.type === 'tensor' && [...toFloat32(value.value)]).toEqual([...Float32Array.from(weights)]);
  });

  it('refuses what fits no file when external data is forbidden', async () => {
    const target = path.join(folder(), 'model.onnx');
    const diagnostic = await diagnosticOf(() => writeModel(model(), target, { externalData: false, embedLimit: 4000 }));
    expect(diagnostic).toMatchObject({ code: 'MODEL_TOO_LARGE', exitCode: 4 });
    expect(existsSync(target)).toBe(false);
  });

  it('encodes nothing beyond the limit of protobuf', async () => {
    // Three initializers that share 1 GiB of zeros, which the system does not even hand out before they are touched.
    const storage = memoryStorage(new Uint8Array(2 ** 30));
    const huge = model();
    for (const name of ['a', 'b', 'c']) {
      huge.graph.initializers.set(name, { name, dtype: 'float32', dims: [2 ** 28], storage });
    }
    expect(await diagnosticOf(() => encodeModel(huge))).toMatchObject({ code: 'MODEL_TOO_LARGE' });
    huge.graph.initializers.delete('a');
    huge.graph.initializers.delete('b');
    const length = encodeModel(huge).reduce((sum, chunk) => sum + chunk.byteLength, 0);
    expect(length).toBeGreaterThan(2 ** 30);
    expect(length).toBeLessThan(PROTOBUF_LIMIT);
  });
});

describe('rewriting a model with external data', () => {
  it('stays external, or is embedded on request, with the same values', async () => {
    const source = path.join(folder(), 'model.onnx');
    await writeModel(model(), source, { externalData: {} });
    const read = await readModel(source);
    const copy = path.join(folder(), 'copy.onnx');
    expect((await writeModel(read, copy)).files).toEqual([copy, `${copy}.data`]);
    expect(readFileSync(`${copy}.data`).equals(readFileSync(`${source}.data`))).toBe(true);
    expect(await run(copy)).toEqual(expected);
    const whole = path.join(folder(), 'whole.onnx');
    expect((await writeModel(read, whole, { externalData: false })).files).toEqual([whole]);
    expect(await run(whole)).toEqual(expected);
    expect(existsSync(`${source}.data`)).toBe(true);
  });

  it('reads again what it writes: edited tensors beside untouched ones', async () => {
    const source = path.join(folder(), 'model.onnx');
    await writeModel(model(), source, { externalData: {} });
    const read = await readModel(source);
    read.graph.initializers.set('w', floatTensor('w', [2000], 'float32', new Float32Array(2000)));
    const target = path.join(folder(), 'edited.onnx');
    await writeModel(read, target);
    expect(await run(target)).toEqual(
      Float32Array.from(weights, (w) => Math.fround(Math.fround(Math.fround(w) * 2) + 1)),
    );
  });

  it('embeds a tensor that was taken over from another model’s data', async () => {
    const source = path.join(folder(), 'model.onnx');
    await writeModel(model(), source, { externalData: {} });
    const other = model();
    other.graph.initializers.set('w', (await readModel(source)).graph.initializers.get('w')!);
    const target = path.join(folder(), 'other.onnx');
    expect((await writeModel(other, target)).files).toEqual([target]);
    expect(await run(target)).toEqual(expected);
  });

  it('in place: the new data takes a fresh name, the old data goes after the commit', async () => {
    const target = path.join(folder(), 'model.onnx');
    await writeModel(model(), target, { externalData: {} });
    await writeModel(await readModel(target), target);
    expect(existsSync(`${target}.data`)).toBe(false);
    expect((await readModel(target)).source!.externalFiles).toEqual(['model.onnx.1.data']);
    expect(await run(target)).toEqual(expected);
    await writeModel(await readModel(target), target);
    expect((await readModel(target)).source!.externalFiles).toEqual(['model.onnx.data']);
    await writeModel(await readModel(target), target, { externalData: false });
    expect(existsSync(`${target}.data`)).toBe(false);
    expect(await run(target)).toEqual(expected);
  });

  it('drops the data of a replaced model that is not the input', async () => {
    const target = path.join(folder(), 'model.onnx');
    await writeModel(model(), target, { externalData: { name: 'old.bin' } });
    await writeModel(model(), target);
    expect(existsSync(path.join(path.dirname(target), 'old.bin'))).toBe(false);
  });

  it('keeps the data that the input or another model in the folder refers to', async () => {
    const input = path.join(folder(), 'input.onnx');
    await writeModel(model(), input, { externalData: { name: 'shared.bin' } });
    const data = path.join(path.dirname(input), 'shared.bin');
    const target = path.join(path.dirname(input), 'target.onnx');
    // The target is a copy of the input, data reference included.
    writeFileSync(target, readFileSync(input));
    const read = await readModel(input);
    await writeModel(read, target, { externalData: false });
    expect(existsSync(data)).toBe(true);

    writeFileSync(target, readFileSync(input));
    await writeModel(model(), target);
    expect(existsSync(data)).toBe(true);
    expect(await run(input)).toEqual(expected);
  });

  it('leaves a data file alone that it did not get from the replaced model', async () => {
    const target = path.join(folder(), 'model.onnx');
    writeFileSync(`${target}.data`, 'mine');
    await writeModel(model(), target, { externalData: {} });
    expect(readFileSync(`${target}.data`, 'utf8')).toBe('mine');
    expect((await readModel(target)).source!.externalFiles).toEqual(['model.onnx.1.data']);
  });

  it.skipIf(shared === undefined)('a real one gives the same bytes in its tensors', async () => {
    const file = path.join(shared!.root, 'mlperf-kws-dscnn-external/model.onnx');
    const read = await readModel(file);
    const target = path.join(folder(), 'model.onnx');
    await writeModel(read, target);
    const again = await readModel(target);
    for (const [name, tensor] of read.graph.initializers) {
      const copy = again.graph.initializers.get(name)!;
      expect(Buffer.compare(copy.storage.bytes(), tensor.storage.bytes())).toBe(0);
    }
  });
});

describe('external data that is refused', () => {
  /** A written model whose data reference is changed by text replacement of the same length, or whose folder is tampered with. */
  async function prepared(name = 'weights.bin'): Promise<{ root: string; file: string; data: string }> {
    const root = path.join(folder(), 'model');
    mkdirSync(root);
    const file = path.join(root, 'model.onnx');
    await writeModel(model(), file, { externalData: { name } });
    return { root, file, data: path.join(root, name) };
  }

  function patch(file: string, from: string, to: string): void {
    expect(to).toHaveLength(from.length);
    const text = readFileSync(file, 'latin1');
    expect(text).toContain(from);
    writeFileSync(file, text.replaceAll(from, to), 'latin1');
  }

  it.each([
    ['an absolute path', '/weights.bi', /absolute/],
    ['a Windows path', 'C:\\weights.', /absolute/],
    ['a path out of the folder', '../weightsb', /leaves the folder/],
    ['a path out and back', 'a/../../w.b', /leaves the folder/],
    ['the folder itself', 'a/b/../../.', /leaves the folder/],
  ])('%s', async (_, location, message) => {
    const { root, file } = await prepared();
    writeFileSync(path.join(root, '../weightsb'), new Uint8Array(20_000));
    patch(file, 'weights.bin', location);
    const diagnostic = await diagnosticOf(() => readModel(file));
    expect(diagnostic).toMatchObject({ code: 'EXTERNAL_DATA_OUTSIDE_FOLDER', exitCode: 4 });
    expect(diagnostic.message).toMatch(message);
  });

  it('a symbolic link out of the folder, also by way of a folder; one inside is fine', async () => {
    const { root, file, data } = await prepared();
    const outside = path.join(root, '../secret.bin');
    writeFileSync(outside, readFileSync(data));
    symlinkSync(outside, path.join(root, 'outside.bin'));
    symlinkSync('weights.bin', path.join(root, 'insider.bin'));
    symlinkSync('..', path.join(root, 'ln'));
    writeFileSync(path.join(root, '../secret.b'), readFileSync(data));
    const original = readFileSync(file);
    patch(file, 'weights.bin', 'insider.bin');
    await readModel(file);
    for (const location of ['outside.bin', 'ln/secret.b']) {
      writeFileSync(file, original);
      patch(file, 'weights.bin', location);
      expect(await diagnosticOf(() => readModel(file))).toMatchObject({
        code: 'EXTERNAL_DATA_OUTSIDE_FOLDER',
        exitCode: 4,
      });
    }
  });

  it('a missing file, a folder, a file that is too short, offsets that are no numbers', async () => {
    const { file, data, root } = await prepared();
    const original = readFileSync(file);
    patch(file, 'weights.bin', 'nowhere.bin');
    expect(await diagnosticOf(() => readModel(file))).toMatchObject({ code: 'EXTERNAL_DATA_MISSING', exitCode: 4 });
    mkdirSync(path.join(root, 'nowhere.bin'));
    expect(await diagnosticOf(() => readModel(file))).toMatchObject({ code: 'EXTERNAL_DATA_UNREADABLE', exitCode: 4 });
    writeFileSync(file, original);
    patch(file, '8192', '-192');
    expect(await diagnosticOf(() => readModel(file))).toMatchObject({
      code: 'EXTERNAL_DATA_OUT_OF_RANGE',
      exitCode: 4,
    });
    writeFileSync(file, original);
    patch(file, '8000', '8004');
    expect(await diagnosticOf(() => readModel(file))).toMatchObject({
      code: 'EXTERNAL_DATA_OUT_OF_RANGE',
      exitCode: 4,
    });
    writeFileSync(file, original);
    truncateSync(data, 16_000);
    expect(await diagnosticOf(() => readModel(file))).toMatchObject({
      code: 'EXTERNAL_DATA_OUT_OF_RANGE',
      exitCode: 4,
    });
  });

  it('data that is cut or deleted after the model was read', async () => {
    const { file, data } = await prepared();
    const read = await readModel(file);
    truncateSync(data, 8192);
    const tensor = read.graph.initializers.get('v')!;
    expect(await diagnosticOf(() => tensor.storage.bytes())).toMatchObject({ code: 'EXTERNAL_DATA_OUT_OF_RANGE' });
    const target = path.join(folder(), 'copy.onnx');
    expect(await diagnosticOf(() => writeModel(read, target))).toMatchObject({ code: 'EXTERNAL_DATA_OUT_OF_RANGE' });
    expect(existsSync(target) || existsSync(`${target}.data`)).toBe(false);
  });

  it('bytes that come without a folder', async () => {
    const { file } = await prepared();
    const bytes = readFileSync(file);
    expect(await diagnosticOf(() => decodeModel(bytes))).toMatchObject({
      code: 'EXTERNAL_DATA_WITHOUT_FOLDER',
      exitCode: 4,
    });
    expect(decodeModel(bytes, { folder: path.dirname(file) }).graph.initializers.size).toBe(3);
  });
});
