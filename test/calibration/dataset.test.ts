import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { gatherRows, loadDataset, selectRows, type Dataset } from '../../src/calibration/dataset.js';
import type { InputSpec } from '../../src/calibration/sources/source.js';
import { CondenseError, ExitCode, type Diagnostic } from '../../src/diagnostics/diagnostic.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { temporaryFolders } from '../temporary-folder.js';
import { counting, encodeNpy, encodeNpz, floats } from './arrays.js';

const newFolder = temporaryFolders();
const X: InputSpec = { name: 'x', dtype: 'float32', shape: ['N', 2] };
const Z: InputSpec = { name: 'z', dtype: 'float32', shape: ['N', 1] };

/** Writes arrays to files by name (.npy or .npz) and gives their paths. */
function write(files: Readonly<Record<string, NumericArray | Readonly<Record<string, NumericArray>>>>): string[] {
  const folder = newFolder();
  return Object.entries(files).map(([name, content]) => {
    const file = path.join(folder, name);
    writeFileSync(
      file,
      name.endsWith('.npz') ? encodeNpz(content as Record<string, NumericArray>) : encodeNpy(content as NumericArray),
    );
    return file;
  });
}

async function refusal(specs: readonly string[], inputs: readonly InputSpec[], options = {}): Promise<Diagnostic> {
  try {
    await loadDataset(specs, inputs, options);
  } catch (error) {
    if (error instanceof CondenseError) return error.diagnostic;
    throw error;
  }
  throw new Error('the data was accepted');
}

const values = (dataset: Dataset, name: string): unknown[] => [
  ...(dataset.inputs.find((i) => i.name === name)!.array.data as Float32Array),
];

describe('files', () => {
  it('an .npz has its arrays by name; what is no input is kept aside', async () => {
    const [file] = write({ 'a.npz': { x: counting([3, 2]), target: counting([3]), notes: counting([7]) } });
    const dataset = await loadDataset([file!], [X]);
    expect(dataset.rows).toBe(3);
    expect(values(dataset, 'x')).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...dataset.extras.keys()]).toEqual(['target']);
    expect(dataset.notes).toEqual([]);
  });

  it('an .npy is the one input, whatever its name', async () => {
    const [file] = write({ 'a.npy': counting([3, 2]) });
    expect((await loadDataset([file!], [X])).rows).toBe(3);
    expect(await refusal([file!], [X, Z])).toMatchObject({ code: 'DATA_NEEDS_NAME', exitCode: ExitCode.Usage });
  });

  it('name=file arrays are joined by row; the name may hold an equals sign', async () => {
    const odd: InputSpec = { ...Z, name: 'a=b' };
    const [x, z] = write({ 'x.npy': counting([3, 2]), 'z.npy': counting([3, 1], 10) });
    const dataset = await loadDataset([`x=${x}`, `a=b=${z}`], [X, odd]);
    expect(dataset.rows).toBe(3);
    expect(values(dataset, 'a=b')).toEqual([10, 11, 12]);
  });

  it('rows of several files are appended, extras with them, in the order given', async () => {
    const [a, b] = write({
      'a.npz': { x: counting([2, 2]), t: counting([2]) },
      'b.npz': { x: counting([1, 2], 10), t: counting([1], 10) },
    });
    const dataset = await loadDataset([b!, a!], [X]);
    expect(values(dataset, 'x')).toEqual([10, 11, 0, 1, 2, 3]);
    expect([...(dataset.extras.get('t')!.data as Float32Array)]).toEqual([10, 0, 1]);
  });

  it('two files for one name are appended before they are joined', async () => {
    const [x1, x2, z] = write({ '1.npy': counting([1, 2]), '2.npy': counting([2, 2], 2), 'z.npy': counting([3, 1]) });
    const dataset = await loadDataset([`x=${x1}`, `z=${z}`, `x=${x2}`], [X, Z]);
    expect(values(dataset, 'x')).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('extras that do not fit together are left out, not fatal', async () => {
    const [a, b] = write({
      'a.npz': { x: counting([1, 2]), t: counting([1, 3]), u: counting([1]) },
      'b.npz': { x: counting([1, 2]), t: counting([1, 4]) },
    });
    expect((await loadDataset([a!, b!], [X])).extras.size).toBe(0);
  });

  it('a folder of the ONNX test suite, sets in numerical order', async () => {
    const folder = newFolder();
    for (const [set, start] of [
      ['test_data_set_10', 20],
      ['test_data_set_2', 0],
    ] as const) {
      mkdirSync(path.join(folder, set));
      // TensorProto: dims [1, 2] (field 1), data_type 1 (field 2), raw_data (field 9).
      const raw = Buffer.from(Float32Array.of(start, start + 1).buffer);
      writeFileSync(
        path.join(folder, set, 'input_0.pb'),
        Buffer.concat([Buffer.from([0x08, 1, 0x08, 2, 0x10, 1, 0x4a, raw.length]), raw]),
      );
      writeFileSync(path.join(folder, set, 'output_0.pb'), 'not looked at');
    }
    expect(values(await loadDataset([folder], [X]), 'x')).toEqual([0, 1, 20, 21]);
    writeFileSync(path.join(folder, 'test_data_set_2', 'input_1.pb'), '');
    expect((await refusal([folder], [X])).code).toBe('DATA_MALFORMED');
    expect((await refusal([newFolder()], [X])).code).toBe('DATA_MALFORMED');
  });

  it('random: only when asked for, always the same, and with a warning', async () => {
    const label: InputSpec = { name: 'i', dtype: 'int64', shape: ['N'] };
    const [a, b] = [await loadDataset(['random:50'], [X, label]), await loadDataset(['random:50'], [X, label])];
    expect(a.rows).toBe(50);
    expect(values(a, 'x')).toEqual(values(b, 'x'));
    expect(new Set(values(a, 'i'))).toEqual(new Set([0n, 1n]));
    expect(a.notes.map((n) => n.code)).toEqual(['DATA_IS_RANDOM']);
    expect((await loadDataset(['random:'], [X])).rows).toBe(1024);
  });

  it('random: fits fixed batches, rows along another axis, scalars and unknown shapes', async () => {
    const shapes: InputSpec['shape'][] = [[8, 3], [4, 'N', 2], [1, 3, 'H'], undefined];
    for (const shape of shapes) expect((await loadDataset(['random:16'], [{ ...X, shape }])).rows).toBe(16);
    const scalar: InputSpec = { name: 's', dtype: 'float64', shape: [] };
    expect((await loadDataset(['random:16'], [X, scalar])).inputs[1]!.rowAxis).toBeNull();
  });

  it.each([
    ['missing.npz', 'DATA_NOT_FOUND'],
    ['x=missing.npy', 'DATA_NOT_FOUND'],
    ['data.xls', 'DATA_UNKNOWN_FORMAT'],
    ['folder.npz', 'DATA_UNREADABLE'],
  ])('%s: %s', async (name, code) => {
    const folder = newFolder();
    writeFileSync(path.join(folder, 'data.xls'), '1,2');
    mkdirSync(path.join(folder, 'folder.npz'));
    const spec = name.includes('=') ? name : path.join(folder, name);
    const diagnostic = await refusal([spec], [X]);
    expect(diagnostic.code).toBe(code);
    expect(diagnostic.exitCode).toBe(ExitCode.Usage);
    expect(diagnostic.message).toContain(spec);
  });
});

describe('what does not fit the model', () => {
  const one = (array: NumericArray): string[] => write({ 'a.npy': array });

  it('a missing name, with what is there', async () => {
    const [file] = write({ 'a.npz': { X: counting([3, 2]) } });
    expect((await refusal([file!], [X])).message).toBe("the data has no array for the input 'x'; it has 'X'");
    expect((await refusal([], [X])).code).toBe('DATA_INPUT_MISSING');
  });

  it('a name that the model does not have', async () => {
    const [file] = one(counting([3, 2]));
    expect(await refusal([`y=${file}`], [X])).toMatchObject({
      code: 'DATA_INPUT_UNKNOWN',
      advice: 'Its inputs are: x.',
    });
  });

  it('float64 becomes float32 with a note, and back', async () => {
    const dataset = await loadDataset(one({ dtype: 'float64', dims: [1, 2], data: Float64Array.of(0.1, 2) }), [X]);
    expect(dataset.inputs[0]!.array).toEqual(floats([1, 2], [0.1, 2]));
    expect(dataset.notes.map((n) => n.code)).toEqual(['DATA_CONVERTED']);
    const wide = await loadDataset(one(counting([1, 2])), [{ ...X, dtype: 'float64' }]);
    expect(wide.inputs[0]!.array.data).toEqual(Float64Array.of(0, 1));
    const half = await loadDataset(one(floats([1, 2], [1, -2])), [{ ...X, dtype: 'float16' }]);
    expect(half.inputs[0]!.array.data).toEqual(Uint16Array.of(0x3c00, 0xc000));
  });

  it('narrow integers widen; integers are no floats', async () => {
    const integers: NumericArray = { dtype: 'int32', dims: [1, 2], data: Int32Array.of(-1, 2) };
    const dataset = await loadDataset(one(integers), [{ ...X, dtype: 'int64' }]);
    expect(dataset.inputs[0]!.array.data).toEqual(BigInt64Array.of(-1n, 2n));
    expect((await refusal(one(integers), [X])).message).toBe("the input 'x' wants float32, the data is int32");
    expect((await refusal(one(counting([1, 2])), [{ ...X, dtype: 'int64' }])).code).toBe('DATA_WRONG_TYPE');
  });

  it.each([
    [[3, 3], "the input 'x' wants [rows, 2], the data has [3, 3]"],
    [[6], "the input 'x' wants [rows, 2], the data has [6]"],
    [[3, 1, 2, 1], "the input 'x' wants [rows, 2], the data has [3, 1, 2, 1]"],
    [[], "the input 'x' wants [rows, 2], the data has []"],
  ])('dims [%s]', async (dims, message) => {
    expect(await refusal(one(counting(dims)), [X])).toMatchObject({ code: 'DATA_WRONG_SHAPE', message, where: 'x' });
  });

  it('parts of one input that do not fit each other', async () => {
    const [a, b, c] = write({
      'a.npy': counting([2, 3]),
      'b.npy': counting([2, 4]),
      'c.npy': { dtype: 'int64', dims: [1, 3], data: BigInt64Array.of(1n, 2n, 3n) },
    });
    const open: InputSpec = { ...X, shape: ['N', 'F'] };
    for (const specs of [
      [a!, b!],
      [`x=${a}`, `x=${b}`],
    ])
      expect((await refusal(specs, [open])).code).toBe('DATA_WRONG_SHAPE');
    for (const specs of [
      [a!, c!],
      [`x=${a}`, `x=${c}`],
    ])
      expect((await refusal(specs, [open])).code).toBe('DATA_WRONG_TYPE');
  });

  it('different numbers of rows, within each file', async () => {
    const [a, b] = write({
      'a.npz': { x: counting([2, 2]), z: counting([3, 1]) },
      'b.npz': { x: counting([3, 2]), z: counting([2, 1]) },
    });
    expect((await refusal([a!], [X, Z])).message).toBe("the input 'x' has 2 rows and 'z' has 3");
    // Together both have five; row by row they would be mixed up.
    expect((await refusal([a!, b!], [X, Z])).code).toBe('DATA_ROWS_DIFFER');
  });

  it('no rows', async () => {
    expect((await refusal(one(counting([0, 2])), [X])).code).toBe('DATA_NO_ROWS');
    expect((await refusal(one(counting([])), [{ ...X, shape: [] }])).code).toBe('DATA_NO_ROWS');
  });

  it.each([NaN, Infinity, -Infinity])('%f, with its row', async (value) => {
    const array = counting([4, 2]);
    (array.data as Float32Array)[5] = value;
    expect((await refusal(one(array), [X])).message).toBe("NaN or Inf in the data for the input 'x', first in row 2");
  });

  it('NaN in float16, and rows along another axis', async () => {
    const half: NumericArray = { dtype: 'float16', dims: [2, 2], data: Uint16Array.of(0, 0, 0, 0x7e00) };
    expect((await refusal(one(half), [{ ...X, dtype: 'float16' }])).message).toContain('row 1');
    const array = counting([2, 3, 1]);
    (array.data as Float32Array)[4] = NaN;
    expect((await refusal(one(array), [{ ...X, shape: [2, 'N', 1] }])).message).toContain('row 1');
  });
});

describe('modules', () => {
  async function load(source: string, inputs = [X]): Promise<Dataset> {
    const file = path.join(newFolder(), 'data.mjs');
    writeFileSync(file, source);
    return loadDataset([file], inputs);
  }
  const feed = (start: number): string => `{ x: { dims: [1, 2], data: Float32Array.of(${start}, ${start + 1}) } }`;

  it.each([
    ['an async generator', `export async function* loadData() { yield ${feed(0)}; yield ${feed(2)}; }`],
    ['a generator', `export function* loadData() { yield ${feed(0)}; yield ${feed(2)}; }`],
    ['a list', `export const loadData = () => [${feed(0)}, ${feed(2)}];`],
    ['a promise of a list', `export async function loadData() { return [${feed(0)}, ${feed(2)}]; }`],
  ])('%s', async (_, source) => {
    expect(values(await load(source), 'x')).toEqual([0, 1, 2, 3]);
  });

  it('may name types that share an array', async () => {
    const dataset = await load(
      `export const loadData = () => [{ x: { dtype: 'float16', dims: [1, 2], data: Uint16Array.of(0x3c00, 0) } }];`,
    );
    expect(values(dataset, 'x')).toEqual([1, 0]);
  });

  it.each([
    ['no function', 'export const data = 1;', 'exports no function loadData'],
    ['nothing to go through', 'export const loadData = () => 5;', 'neither a generator nor a list'],
    ['a syntax error', 'export function {', 'loadData() failed'],
    ['an error at once', "export function loadData() { throw new Error('no disk'); }", 'no disk'],
    [
      'an error on the way',
      `export function* loadData() { yield ${feed(0)}; throw new Error('half way'); }`,
      'half way',
    ],
    ['no object', 'export const loadData = () => [3];', 'not an object'],
    [
      'no typed array',
      'export const loadData = () => [{ x: { dims: [1, 2], data: [1, 2] } }];',
      "'x' is not of the form",
    ],
    ['no dims', 'export const loadData = () => [{ x: { data: Float32Array.of(1) } }];', "'x' is not of the form"],
    [
      'dims that are none',
      'export const loadData = () => [{ x: { dims: 2, data: Float32Array.of(1, 2) } }];',
      "'x' is not of the form",
    ],
    [
      'dims below zero',
      'export const loadData = () => [{ x: { dims: [-1, -2], data: Float32Array.of(1, 2) } }];',
      "'x' is not of the form",
    ],
    [
      'too few elements',
      'export const loadData = () => [{ x: { dims: [1, 2], data: Float32Array.of(1) } }];',
      '1 elements for dims [1, 2]',
    ],
    [
      'another type',
      "export const loadData = () => [{ x: { dtype: 'int64', dims: [2], data: Float32Array.of(1, 2) } }];",
      'says int64 and holds float32',
    ],
  ])('%s', async (_, source, message) => {
    try {
      await load(source);
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof CondenseError)) throw error;
      expect(error.diagnostic.code).toBe('DATA_MODULE_FAILED');
      expect(error.diagnostic.message).toContain(message);
    }
  });
});

describe('rows', () => {
  it('maxRows keeps a sample in order that depends on nothing but the numbers', async () => {
    const [file] = write({ 'a.npz': { x: counting([100, 2]), t: counting([100]) } });
    const [a, b] = [await loadDataset([file!], [X], { maxRows: 10 }), await loadDataset([file!], [X], { maxRows: 10 })];
    expect(a.rows).toBe(10);
    expect(values(a, 'x')).toEqual(values(b, 'x'));
    const rows = [...(a.extras.get('t')!.data as Float32Array)];
    expect(rows).toEqual([...new Set(rows)].sort((p, q) => p - q));
    expect(values(a, 'x')).toEqual(rows.flatMap((r) => [2 * r, 2 * r + 1]));
    // Spread over the whole, not its beginning.
    expect(rows.at(-1)).toBeGreaterThan(50);
    expect((await loadDataset([file!], [X], { maxRows: 1000 })).rows).toBe(100);
  });

  it('run along the open axis where the graph fixes the first one', async () => {
    const [file] = write({ 'a.npy': counting([2, 3, 2]) });
    const dataset = await loadDataset([file!], [{ ...X, shape: [2, 'T', 2] }]);
    expect(dataset.rows).toBe(3);
    expect(dataset.fixedBatch).toBeUndefined();
    expect(gatherRows(dataset, [2, 0]).get('x')).toEqual(floats([2, 2, 2], [4, 5, 0, 1, 10, 11, 6, 7]));
  });

  it('of a graph without a batch axis are fed one at a time', async () => {
    const [file] = write({ 'a.npy': counting([3, 2]) });
    const dataset = await loadDataset([file!], [{ ...X, shape: [2] }]);
    expect(dataset.fixedBatch).toBe(1);
    expect(gatherRows(dataset, [1]).get('x')).toEqual(floats([2], [2, 3]));
  });

  it('a fixed batch is told; a scalar belongs to every row', async () => {
    const [file] = write({ 'a.npz': { x: counting([8, 2]), s: floats([], [5]) } });
    const dataset = await loadDataset(
      [file!],
      [
        { ...X, shape: [4, 2] },
        { name: 's', dtype: 'float32', shape: [] },
      ],
    );
    expect(dataset.fixedBatch).toBe(4);
    expect(gatherRows(dataset, [0, 7]).get('s')).toEqual(floats([], [5]));
  });

  it('an input whose shape the model does not state takes the data as it is', async () => {
    const [file] = write({ 'a.npy': counting([3, 2, 2]) });
    const dataset = await loadDataset([file!], [{ ...X, shape: undefined }]);
    expect(dataset.rows).toBe(3);
    expect(dataset.fixedBatch).toBeUndefined();
    expect(gatherRows(dataset, [1]).get('x')!.dims).toEqual([1, 2, 2]);
  });

  it('neighbours are a view, others a copy, in the order asked for', async () => {
    const [file] = write({ 'a.npz': { x: counting([5, 2]), t: counting([5], 10) } });
    const dataset = await loadDataset([file!], [X]);
    const neighbours = gatherRows(dataset, [1, 2]).get('x')!;
    expect(neighbours).toEqual(floats([2, 2], [2, 3, 4, 5]));
    expect((neighbours.data as Float32Array).buffer).toBe((dataset.inputs[0]!.array.data as Float32Array).buffer);
    expect(gatherRows(dataset, [4, 0, 4]).get('x')).toEqual(floats([3, 2], [8, 9, 0, 1, 8, 9]));
    expect(gatherRows(dataset, []).get('x')).toEqual(floats([0, 2], []));
    const some = selectRows(dataset, Int32Array.of(3, 1));
    expect(some.rows).toBe(2);
    expect([...(some.extras.get('t')!.data as Float32Array)]).toEqual([13, 11]);
  });
});
