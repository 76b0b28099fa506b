import { describe, expect, it } from 'vitest';
import type { Attribute } from '../../src/graph/ir.js';
import { kernelTimes, type TimedNode } from '../../src/runtime/kernel-times.js';

const gemm = (rows: number, inner: number, columns: number): TimedNode => ({
  opType: 'MatMul',
  attributes: new Map(),
  input: [rows, inner],
  weight: [inner, columns],
  dtype: 'float32',
});
const ints = (name: string, value: number[]): [string, Attribute] => [name, { name, type: 'ints', value }];
const conv = (inputs: number, outputs: number, size: number, group = 1): TimedNode => ({
  opType: 'Conv',
  attributes: new Map([ints('pads', [1, 1, 1, 1]), ['group', { name: 'group', type: 'int', value: group }]]),
  input: [1, inputs, size, size],
  weight: [outputs, inputs / group, 3, 3],
  dtype: 'float32',
});

describe('kernelTimes', () => {
  it('gives one time for each node, in their order: much more work takes longer', { retry: 2 }, async () => {
    const nodes = [gemm(256, 512, 512), gemm(256, 32, 32), conv(64, 64, 32), conv(8, 8, 8), conv(64, 64, 32, 64)];
    const times = await kernelTimes(nodes);
    expect(times).toHaveLength(nodes.length);
    for (const time of times) expect(time).toBeGreaterThan(0);
    expect(times[0]).toBeGreaterThan(4 * times[1]!);
    expect(times[2]).toBeGreaterThan(4 * times[3]!);
    // A depthwise convolution has a 64th of the work.
    expect(times[4]).toBeLessThan(times[2]!);
  });

  it('times half and double precision too', async () => {
    const times = await kernelTimes([
      { ...gemm(16, 64, 64), dtype: 'float64' },
      { ...gemm(16, 64, 64), dtype: 'float16' },
    ]);
    for (const time of times) expect(time).toBeGreaterThan(0);
  });

  it('takes more nodes than one graph holds', async () => {
    const times = await kernelTimes(Array.from({ length: 230 }, (_, i) => gemm(4, 8 + i, 8)));
    expect(times).toHaveLength(230);
    expect(times.every((time) => time > 0 && Number.isFinite(time))).toBe(true);
  });

  it('names a node that the runtime does not take', async () => {
    await expect(kernelTimes([{ ...gemm(4, 8, 8), weight: [9, 8] }])).rejects.toMatchObject({
      diagnostic: { code: 'MODEL_DOES_NOT_LOAD' },
    });
  });
});
