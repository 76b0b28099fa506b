import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { Model } from '../../src/graph/ir.js';
import { Session, withSession } from '../../src/runtime/session.js';
import { buildModel, node } from '../build-model.js';
import { constant, CPU, randomFeeds } from '../dense.js';
import { floats } from '../calibration/arrays.js';

/** y = x w, z = y as float16. */
function network(): Model {
  return buildModel({
    inputs: [{ name: 'x', shape: ['rows', 2] }],
    nodes: [node('MatMul', ['x', 'w'], ['y']), node('Cast', ['y'], ['z'], { to: 10 })],
    initializers: [constant('w', [2, 2], [1, 2, 3, 4])],
    outputs: [{ name: 'y' }, { name: 'z', dtype: 'float16' }],
  });
}

describe('a session', () => {
  it('runs batches of any size; float16 comes as bit patterns; what the model does not take is ignored', async () => {
    await withSession(network(), CPU, async (session) => {
      expect([session.inputNames, session.outputNames]).toEqual([['x'], ['y', 'z']]);
      const outputs = await session.run(
        new Map([
          ['x', floats([1, 2], [1, 1])],
          ['other', floats([1], [0])],
        ]),
      );
      expect(outputs.get('y')).toEqual({ dtype: 'float32', dims: [1, 2], data: Float32Array.of(4, 6) });
      expect(outputs.get('z')).toEqual({ dtype: 'float16', dims: [1, 2], data: Uint16Array.of(0x4400, 0x4600) });
      expect((await session.run(randomFeeds(network(), 5))).get('y')!.dims).toEqual([5, 2]);
    });
  });

  it.each(['exact', 'fast'] as const)('optimisation %s gives the same values here', async (optimisation) => {
    const outputs = await withSession(network(), { ...CPU, optimisation }, (s) =>
      s.run(new Map([['x', floats([1, 2], [1, 1])]])),
    );
    expect([...(outputs.get('y')!.data as Float32Array)]).toEqual([4, 6]);
  });

  it("a model that does not load is the model's fault, named with its file", async () => {
    const broken = { ...network(), source: { path: 'broken.onnx', byteLength: 0, sha256: '', externalFiles: [] } };
    broken.graph.nodes[0]!.opType = 'NoSuchOperator';
    const error = await Session.open(broken, CPU).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CondenseError);
    expect((error as CondenseError).diagnostic).toMatchObject({
      code: 'MODEL_DOES_NOT_LOAD',
      where: 'broken.onnx',
      exitCode: 4,
    });
    expect((error as CondenseError).message).toContain('NoSuchOperator');
    expect((error as CondenseError).cause).toBeInstanceOf(Error);
  });

  it("values that it cannot run on are the data's fault", async () => {
    const run = withSession(network(), CPU, (s) => s.run(new Map([['x', floats([1, 3], [1, 1, 1])]])));
    await expect(run).rejects.toMatchObject({ diagnostic: { code: 'MODEL_DOES_NOT_RUN', exitCode: 2 } });
  });

  it('is released when the work in it fails', async () => {
    let inside: Session | undefined;
    const failed = withSession(network(), CPU, (session) => {
      inside = session;
      return Promise.reject(new Error('the work failed'));
    });
    await expect(failed).rejects.toThrow('the work failed');
    await expect(inside!.run(randomFeeds(network(), 1))).rejects.toBeInstanceOf(CondenseError);
  });
});
