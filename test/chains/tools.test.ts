import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { simplify } from 'onnxsim';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { condense, parameterCount, readModel, verify, writeModel, type CondenseOptions } from '../../src/index.js';
import { convModel } from '../conv.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { sharedModels } from '../shared-models.js';
import { temporaryFolders } from '../temporary-folder.js';

// The tools that stand before and behind this program in a chain, as they are: simplify, condense, simplify again; condense, quantise.

const newFolder = temporaryFolders();
const collection = sharedModels();

/** The interpreter whose onnxruntime can quantise; undefined (with a note) where there is none. */
const python = ['python3', '/usr/bin/python3'].find(
  (name) => spawnSync(name, ['-c', 'import onnxruntime.quantization']).status === 0,
);
if (python === undefined)
  console.warn('condensed models are not quantised: the packages onnxruntime and onnx for Python are missing');

/** A model on the disk, and how it is reduced. */
interface Start {
  readonly file: string;
  readonly options: CondenseOptions;
}

const dense = async (folder: string): Promise<Start> => {
  const file = path.join(folder, 'net.onnx');
  await writeModel(smoothNetwork(), file);
  const data = writeNpz(folder, 'data.npz', { x: normalRows(400) });
  return { file, options: { data: [data], keepParams: 0.5 } };
};

const convolutional = async (folder: string): Promise<Start> => {
  const file = path.join(folder, 'net.onnx');
  const model = convModel([3, 8, 8], (net) => {
    const first = net.op('Relu', [net.conv('x', [3, 12])]);
    const hidden = net.op('Relu', [net.conv(first, [12, 12])]);
    return net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [hidden])]), [12, 4]);
  });
  // onnxsim wants the shape of every output.
  const outputs = model.graph.outputs.map((o) => ({ ...o, shape: ['N', 4] }));
  await writeModel({ ...model, graph: { ...model.graph, outputs } }, file);
  return { file, options: { data: ['random:400'], keep: new Map([['c1', 10]]), tolerance: 'nrmse=0.5' } };
};

/** Keyword spotting of MLPerf Tiny. */
const real = (): Promise<Start> => {
  const folder = path.join(collection!.root, 'mlperf-kws-dscnn');
  const files = { data: [path.join(folder, 'calib.npz')], test: [path.join(folder, 'test.npz')] };
  return Promise.resolve({
    file: path.join(folder, 'model.onnx'),
    options: { ...files, maxRows: 400, keepParams: 0.8, trials: 0 },
  });
};

const STARTS: readonly (readonly [string, (folder: string) => Promise<Start>])[] = [
  ['a dense network', dense],
  ['a convolutional network', convolutional],
  ...(collection?.names.includes('mlperf-kws-dscnn') === true ? [['mlperf-kws-dscnn', real] as const] : []),
];

/** Reduces a model and writes it; the check must pass. */
async function condensed(file: string, output: string, options: CondenseOptions): Promise<void> {
  const { model, report } = await condense(file, options);
  expect(report.status).toBe('reduced');
  await writeModel(model, output);
}

describe('onnxsim, condense, onnxsim', () => {
  beforeEach(() => {
    // onnxsim tells what it does.
    for (const method of ['log', 'warn', 'error'] as const)
      vi.spyOn(console, method).mockImplementation(() => undefined);
  });
  afterEach(() => {
    vi.restoreAllMocks();
  });

  async function simplified(file: string, output: string): Promise<void> {
    writeFileSync(output, (await simplify(readFileSync(file))).model);
  }

  it.each(STARTS)('%s: outputs stay the same after each step', async (_name, start) => {
    const folder = newFolder();
    const { file, options } = await start(folder);
    const [first, second, third] = ['1.onnx', '2.onnx', '3.onnx'].map((name) => path.join(folder, name));
    const data = options.test ?? options.data;
    const same = { data, tolerance: 'nrmse=1e-5' };

    await simplified(file, first!);
    expect((await verify(file, first!, same)).verdict.failures).toEqual([]);
    await condensed(first!, second!, options);
    await simplified(second!, third!);
    expect((await verify(second!, third!, same)).verdict.failures).toEqual([]);

    const [small, again] = [await readModel(second!), await readModel(third!)];
    expect(parameterCount(again)).toBeLessThanOrEqual(parameterCount(small));
    expect(parameterCount(again)).toBeLessThan(parameterCount(await readModel(file)));
    // What says how the model was made comes through.
    for (const entry of small.metadata) expect(again.metadata).toContainEqual(entry);
    expect(again.graph.inputs.map((i) => [i.name, i.shape])).toEqual(small.graph.inputs.map((i) => [i.name, i.shape]));
  });
});

describe.skipIf(python === undefined)('condense, quantise', () => {
  const QUANTISE = path.join(path.dirname(fileURLToPath(import.meta.url)), 'quantise.py');
  // Dynamic quantisation is for MatMul and Gemm: the CPU kernels lack the whole-number convolution that it writes.
  const dynamic = STARTS.slice(0, 1).map(([name, start]) => ['dynamic', name, start] as const);
  const fixed = STARTS.filter(([, start]) => start !== convolutional).map(
    ([name, start]) => ['static', name, start] as const,
  );

  it.each([...dynamic, ...fixed])('%s: %s', async (way, _name, start) => {
    const folder = newFolder();
    const { file, options } = await start(folder);
    const [small, quantised] = ['small.onnx', 'quantised.onnx'].map((name) => path.join(folder, name));
    await condensed(file, small!, options);
    const args = [QUANTISE, way, small!, quantised!, options.data[0]!];
    const { status, stderr } = spawnSync(python!, args, { encoding: 'utf8' });
    expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
    const data = options.test ?? options.data;
    expect((await verify(small!, quantised!, { data, tolerance: 'nrmse=0.1' })).verdict.failures).toEqual([]);
    // The other way round is refused, with the order that works.
    await expect(condense(quantised!, options)).rejects.toMatchObject({ diagnostic: { code: 'MODEL_QUANTIZED' } });
  });
});
