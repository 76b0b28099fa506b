import { describe, expect, it } from 'vitest';
import { stepsOf } from '../../src/plan/planner.js';
import type { WidthCurve } from '../../src/plan/search.js';
import { convModel } from '../conv.js';
import { analyse } from '../dense.js';

/** Convolutions of these widths in a row. */
async function steps(widths: readonly number[], rounding: Parameters<typeof stepsOf>[2], fixed = -1) {
  const model = convModel([3, 8, 8], (net) => {
    let [x, before] = ['x', 3];
    for (const width of widths) {
      x = net.op('Relu', [net.conv(x, [before, width])]);
      before = width;
    }
    return net.gemm(net.op('Flatten', [net.op('GlobalAveragePool', [x])]), [before, 2]);
  });
  const analysis = await analyse(model);
  const curves = analysis.spaces.map(({ channels }, i): WidthCurve => ({
    size: channels.length,
    minimum: i === fixed ? channels.length : 1,
    error: new Float64Array(channels.length + 1),
  }));
  return stepsOf(analysis, curves, rounding);
}

describe('stepsOf', () => {
  it('is what was asked for, or as much of it as the width is a multiple of', async () => {
    expect(await steps([64, 24, 20, 58, 7], 8)).toEqual([8, 8, 4, 1, 1]);
    expect(await steps([64, 24, 20], 1)).toEqual([1, 1, 1]);
    expect(await steps([6, 64], 2)).toEqual([2, 2]);
  });

  it('follows the block of the kernels where a space is wide, and leaves narrow ones a choice', async () => {
    expect(await steps([256, 64, 32, 16, 24], { block: 16 })).toEqual([16, 16, 8, 4, 4]);
    expect(await steps([256, 16, 8], { block: 8 })).toEqual([8, 4, 4]);
    expect(await steps([256, 16], { block: 1 })).toEqual([1, 1]);
  });

  it('leaves widths alone that are set', async () => {
    expect(await steps([64, 64], 8, 1)).toEqual([8, 1]);
  });
});
