import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Model } from '../../src/graph/ir.js';
import { floatTensor, fromTypedArray, toFloat32 } from '../../src/graph/tensor-data.js';
import { readModel, writeModel } from '../../src/onnx/index.js';
import { buildModel, node } from '../build-model.js';
import { temporaryFolders } from '../temporary-folder.js';
import { transpiledSources } from '../transpiled.js';

const folder = temporaryFolders();

function model(): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: [4] }],
    outputs: [{ name: 'y', shape: [4] }],
    nodes: [node('Add', ['x', 'w'], ['y'])],
    initializers: [floatTensor('w', [4], 'float32', [1, 2, 3, 4])],
  });
}

async function diagnosticOf(run: Promise<unknown>): Promise<{ code: string; exitCode: number; message: string }> {
  const error: unknown = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CondenseError) return error.diagnostic;
  throw error ?? new Error('nothing was refused');
}

describe('readModel', () => {
  it('tells the path, the size and the hash of the file', async () => {
    const file = path.join(folder(), 'model.onnx');
    writeFileSync(file, Buffer.from([0x08, 8, 0x3a, 3, 0x12, 1, 0x67]));
    const { source, graph, irVersion } = await readModel(file);
    expect({ name: graph.name, irVersion }).toEqual({ name: 'g', irVersion: 8 });
    // sha256sum of these seven bytes.
    const sha256 = '6ecd16f1640e1c783ccb6d2a8a0af0be538bc247d859ba5f1eab5056e4c6de36';
    expect(source).toEqual({ path: file, byteLength: 7, sha256, externalFiles: [] });
  });

  it('refuses a missing file and a folder as wrong usage', async () => {
    const root = folder();
    const missing = await diagnosticOf(readModel(path.join(root, 'no.onnx')));
    expect(missing).toMatchObject({ code: 'MODEL_FILE_MISSING', exitCode: 2 });
    expect(await diagnosticOf(readModel(root))).toMatchObject({ code: 'MODEL_FILE_IS_FOLDER', exitCode: 2 });
  });

  it('refuses an empty file as an invalid model', async () => {
    const file = path.join(folder(), 'empty.onnx');
    writeFileSync(file, '');
    expect(await diagnosticOf(readModel(file))).toMatchObject({ code: 'MODEL_FILE_EMPTY', exitCode: 4 });
  });
});

describe('writeModel', () => {
  it('writes one file, tells its size, and keeps the permissions of a file that it replaces', async () => {
    const target = path.join(folder(), 'model.onnx');
    writeFileSync(target, 'old');
    chmodSync(target, 0o640);
    const written = await writeModel(model(), target);
    expect(written).toEqual({ files: [target], byteLength: statSync(target).size });
    expect(statSync(target).mode & 0o777).toBe(0o640);
    expect([...toFloat32((await readModel(target)).graph.initializers.get('w')!)]).toEqual([1, 2, 3, 4]);
    expect(readdirSync(path.dirname(target))).toEqual(['model.onnx']);
  });

  it('gives the same bytes for the same model', async () => {
    const [a, b] = [path.join(folder(), 'a.onnx'), path.join(folder(), 'b.onnx')];
    await writeModel(model(), a);
    await writeModel(model(), b);
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true);
  });

  it('refuses a target in no folder, below a file, or that is a folder', async () => {
    const root = folder();
    writeFileSync(path.join(root, 'file'), '');
    mkdirSync(path.join(root, 'folder/inner'), { recursive: true });
    for (const target of ['no/model.onnx', 'file/model.onnx', 'folder']) {
      const diagnostic = await diagnosticOf(writeModel(model(), path.join(root, target)));
      expect(diagnostic).toMatchObject({ code: 'OUTPUT_UNWRITABLE', exitCode: 2 });
    }
    expect(readdirSync(root).sort()).toEqual(['file', 'folder']);
  });

  it.each([false, {}] as const)(
    'leaves the old model and nothing else when the disk is full (external data: %j)',
    async (externalData) => {
      const target = path.join(folder(), 'model.onnx');
      await writeModel(model(), target);
      const before = readFileSync(target);
      const full = model();
      const bytes = (): never => {
        throw Object.assign(new Error('write'), { code: 'ENOSPC' });
      };
      full.graph.initializers.set('v', {
        name: 'v',
        dtype: 'float32',
        dims: [1000],
        storage: { byteLength: 4000, bytes },
      });
      const diagnostic = await diagnosticOf(writeModel(full, target, { externalData }));
      expect(diagnostic).toMatchObject({ code: 'OUTPUT_UNWRITABLE', exitCode: 2 });
      expect(diagnostic.message).toContain('no space is left');
      expect(readdirSync(path.dirname(target))).toEqual(['model.onnx']);
      expect(readFileSync(target).equals(before)).toBe(true);
    },
  );
});

describe('in a process of its own', () => {
  let sources: ReturnType<typeof transpiledSources>;
  beforeAll(() => {
    sources = transpiledSources();
  });
  afterAll(() => {
    sources.remove();
  });

  /** Writes a script that may import the sources, and returns its path. */
  function script(text: string): string {
    const file = path.join(sources.root, 'script.mjs');
    writeFileSync(file, text);
    return file;
  }

  it.each([false, {}] as const)(
    'a kill at any moment leaves a whole model (external data: %j)',
    async (externalData) => {
      const target = path.join(folder(), 'model.onnx');
      // Every model is filled with one number, which stands in its metadata as well.
      const file = script(`
      import { readModel, writeModel } from './onnx/index.js';
      import { fromTypedArray } from './graph/tensor-data.js';
      const target = process.argv[2];
      for (let i = 1; ; i++) {
        const model = await readModel(target);
        const data = new Float32Array(1 << 20).fill(i);
        model.graph.initializers.set('w', fromTypedArray('w', [1 << 20], 'float32', data));
        model.metadata = [{ key: 'filled with', value: String(i) }];
        await writeModel(model, target, { externalData: ${JSON.stringify(externalData)} });
        if (i === 1) console.log('started');
      }`);
      await writeModel(model(), target);
      const seen = new Set<string>();
      for (let kill = 0; kill < 8; kill++) {
        const child = spawn(process.execPath, [file, target], { stdio: ['ignore', 'pipe', 'inherit'] });
        await once(child.stdout, 'data');
        // Not a multiple of the time of one write, so that the kills fall on different steps.
        await sleep(3 + 7 * kill);
        child.kill('SIGKILL');
        await once(child, 'exit');
        const read = await readModel(target);
        const { value } = read.metadata[0]!;
        const data = toFloat32(read.graph.initializers.get('w')!);
        expect(data.every((x) => x === Number(value))).toBe(true);
        seen.add(value);
      }
      expect(seen.size).toBeGreaterThan(0);
    },
  );

  it.each([false, {}] as const)(
    'reading, editing and writing 256 MB stays below 1.3 times that (external data: %j)',
    async (externalData) => {
      const input = path.join(folder(), 'input.onnx');
      const output = path.join(folder(), 'output.onnx');
      const large = model();
      const data = new Float32Array(1 << 23).fill(1);
      for (let i = 0; i < 8; i++)
        large.graph.initializers.set(`w${i}`, fromTypedArray(`w${i}`, [1 << 23], 'float32', data));
      await writeModel(large, input, { externalData: false });
      const file = script(`
      import { existsSync, readFileSync } from 'node:fs';
      import { readModel, writeModel } from './onnx/index.js';
      const [, , input, output] = process.argv;
      // On Linux the maximum that getrusage tells is that of the parent at first; the one of the memory map is not.
      const status = '/proc/self/status';
      const peak = () => existsSync(status)
        ? Number(/VmHWM:\\s*(\\d+)/.exec(readFileSync(status, 'utf8'))[1]) * 1024
        : process.resourceUsage().maxRSS * 1024;
      const before = process.memoryUsage().rss;
      const model = await readModel(input);
      model.graph.name = 'edited';
      model.graph.initializers.delete('w3');
      await writeModel(model, output, { externalData: ${JSON.stringify(externalData)} });
      console.log(JSON.stringify({ growth: peak() - before }));`);
      const { stdout, stderr } = spawnSync(process.execPath, [file, input, output], { encoding: 'utf8' });
      expect(stderr).toBe('');
      const size = statSync(input).size;
      const { growth } = JSON.parse(stdout) as { growth: number };
      console.info(`peak above the baseline: ${(growth / size).toFixed(3)} × the file`);
      // At least the file itself is in memory: a smaller figure would mean that nothing was measured.
      expect(growth / size).toBeGreaterThan(0.9);
      expect(growth / size).toBeLessThan(1.3);
      expect((await readModel(output)).graph.initializers.size).toBe(8);
    },
  );
});
