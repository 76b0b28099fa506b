import { beforeEach, describe, expect, it } from 'vitest';
import { condense, CondenseError, type CondenseOptions } from '../../src/index.js';
import { normalRows, smoothNetwork, writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();
// Wide enough that a run is more than the call.
const model = smoothNetwork({ hidden: 640 });
let data: string;
beforeEach(() => {
  data = writeNpz(folder(), 'data.npz', { x: normalRows(400) });
});

const reduce = (options: Partial<CondenseOptions>) =>
  condense(model, { data: [data], tolerance: 'nrmse=1', trials: 0, latencyCache: false, ...options });

const codeOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'it worked',
    (error: unknown) => (error instanceof CondenseError ? error.diagnostic : error),
  );

describe('a speed-up', () => {
  // Other tests run at the same time: what is timed may have to be timed again.
  it('is measured, reached and told, and its model is as narrow as it has to be', { retry: 2 }, async () => {
    const { report } = await reduce({ speedup: 2, latencyBatch: 512 });
    expect(report.status).toBe('reduced');
    const { batch, before, after, speedup } = report.latency!;
    expect(batch).toBe(512);
    // Other tests run at the same time: the brackets are wide.
    expect(before / after).toBeGreaterThan(1.4);
    expect(speedup).toBeGreaterThan(1.8);
    expect(speedup).toBeLessThan(4);
    expect(report.output.size.macs).toBeLessThan(0.7 * report.input.size.macs);
  });

  it('goes together with other budgets', { retry: 2 }, async () => {
    const { report } = await reduce({ speedup: 1.5, latencyBatch: 512, keepParams: 0.1 });
    expect(report.output.size.parameters).toBeLessThanOrEqual(0.1 * report.input.size.parameters);
    expect(report.latency!.speedup).toBeGreaterThan(1.5);
  });

  it('that cannot be had ends with exit code 5', async () => {
    expect(await codeOf(reduce({ speedup: 1e6, latencyBatch: 8 }))).toMatchObject({
      code: 'SPEED_NOT_REACHED',
      exitCode: 5,
      message: expect.stringMatching(/the fastest model found is [\d.]+ times as fast, at a batch of 8/) as string,
    });
  });

  it('is refused where it makes no sense', async () => {
    expect(await codeOf(reduce({ method: 'cosine', speedup: 2 }))).toMatchObject({ code: 'OPTIONS_CONFLICT' });
    expect(await codeOf(reduce({ method: 'exact', speedup: 2 }))).toMatchObject({ code: 'OPTIONS_CONFLICT' });
    expect(await codeOf(reduce({ speedup: 0 }))).toMatchObject({ code: 'OPTIONS_CONFLICT' });
    expect(await codeOf(reduce({ keepParams: 0.5, latencyBatch: 4 }))).toMatchObject({ code: 'OPTIONS_CONFLICT' });
  });
});
