import { describe, expect, it } from 'vitest';
import { CondenseError, condense, diff } from '../../src/index.js';
import { buildModel, node } from '../build-model.js';
import { weights } from '../dense.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();

/** A convolution whose map is as large as the image. */
const convolutional = () =>
  buildModel({
    inputs: [{ name: 'x', shape: ['rows', 1, 'height', 'width'] }],
    nodes: [node('Conv', ['x', 'w'], ['y'], { kernel_shape: [1, 1] })],
    initializers: [weights('w', [2, 1, 1, 1])],
    outputs: [{ name: 'y', shape: ['rows', 2, 'height', 'width'] }],
  });

describe('diff', () => {
  it('a model and what was made of it', async () => {
    const model = smoothNetwork({ hidden: 24 });
    const data = [writeNpz(folder(), 'data.npz', { x: normalRows(200) })];
    const { model: small, report } = await condense(model, { data, keep: new Map([['fc1', 10]]), tolerance: '1' });
    const found = await diff(model, small);
    expect(found).toMatchObject({
      schemaVersion: 1,
      before: { file: null, nodes: 5, parameters: 747, macs: 2 * 24 + 24 * 24 + 24 * 3, bytes: null },
      after: { nodes: 5, parameters: report.output.size.parameters, macs: report.output.size.macs },
      unchangedNodes: 2,
      warnings: [],
    });
    expect(found.nodes.map((n) => [n.kind, n.node, n.macs.before, n.macs.after])).toEqual([
      ['changed', 'fc1', 48, 20],
      ['changed', 'fc2', 576, 240],
      ['changed', 'fc3', 72, 72],
    ]);
    expect(found.constants.map((c) => [c.name, c.before!.dims, c.after!.dims])).toEqual([
      ['w1', [2, 24], [2, 10]],
      ['b1', [24], [10]],
      ['w2', [24, 24], [10, 24]],
      ['b2', [24], [24]],
      ['w3', [24, 3], [24, 3]],
      ['b3', [3], [3]],
    ]);
    expect(found.model.every((d) => d.what.startsWith('metadata onnx_condense.'))).toBe(true);
  });

  it('axes that are open count as 1, or as the data says', async () => {
    const model = convolutional();
    const open = await diff(model, model);
    expect(open.before.macs).toBe(2);
    expect(open.warnings).toMatchObject([{ code: 'AXES_OPEN', message: expect.stringContaining('(x)') as string }]);
    const image = { dtype: 'float32' as const, dims: [2, 1, 4, 5], data: new Float32Array(40) };
    const known = await diff(model, model, { data: [writeNpz(folder(), 'images.npz', { x: image })] });
    expect(known).toMatchObject({ before: { macs: 40 }, nodes: [], unchangedNodes: 1, warnings: [] });
  });

  it('MACs are for one row where the graph fixes its batch', async () => {
    const model = smoothNetwork({ batch: 4 });
    expect((await diff(model, smoothNetwork())).before.macs).toBe(2 * 24 + 24 * 24 + 24 * 3);
  });

  it('a model that does not run is compared all the same', async () => {
    const odd = buildModel({
      inputs: [{ name: 'x', shape: ['rows', 2] }],
      nodes: [node('Nowhere', ['x'], ['y'], {}, { domain: 'strange' })],
      outputs: [{ name: 'y' }],
    });
    const found = await diff(odd, smoothNetwork());
    expect(found.before.macs).toBeNull();
    expect(found.warnings.map((w) => w.code)).toEqual(['MACS_UNKNOWN']);
    // fc3 makes the output that the other node made.
    expect(found.nodes.map((n) => n.kind)).toEqual(['added', 'added', 'added', 'added', 'changed']);
    expect(found.nodes.at(-1)!.differences[0]).toEqual({ what: 'operator', before: 'strange.Nowhere', after: 'Gemm' });
  });

  it('data that does not fit is an error', async () => {
    const data = [writeNpz(folder(), 'wrong.npz', { z: normalRows(10) })];
    await expect(diff(smoothNetwork(), smoothNetwork(), { data })).rejects.toBeInstanceOf(CondenseError);
  });
});
