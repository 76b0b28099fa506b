import { describe, expect, it } from 'vitest';
import { planRuns, split } from '../../src/train/runs.js';
import { buildModel, node } from '../build-model.js';
import { weights } from '../dense.js';

const convolution = buildModel({
  inputs: [{ name: 'x', shape: ['n', 3, 64, 64] }],
  nodes: [node('Conv', ['x', 'w'], ['y'])],
  initializers: [weights('w', [8, 3, 1, 1])],
  outputs: [{ name: 'y' }],
});
const product = buildModel({
  inputs: [{ name: 'x', shape: ['n', 4096] }],
  nodes: [node('MatMul', ['x', 'w'], ['y'])],
  initializers: [weights('w', [4096, 16])],
  outputs: [{ name: 'y' }],
});
const base = {
  student: convolution,
  batch: 64,
  fixedBatch: undefined,
  rowsPerRun: 100,
  shapes: new Map([['y', [1, 8, 64, 64]]]),
  probed: 1,
  provider: 'cpu',
  cores: 4,
} as const;

describe('planRuns', () => {
  it('shares a step of convolutions out among the cores, in parts of the same length and not too short', () => {
    expect(planRuns(base)).toEqual({ rows: 16, evaluated: 25, atOnce: 4 });
    expect(planRuns({ ...base, batch: 96, cores: 5 })).toEqual({ rows: 24, evaluated: 25, atOnce: 4 });
    expect(planRuns({ ...base, batch: 40 })).toEqual({ rows: 20, evaluated: 50, atOnce: 2 });
    expect(planRuns({ ...base, batch: 61 })).toEqual({ rows: 61, evaluated: 100, atOnce: 1 });
  });

  it('leaves products, little work and other providers to the runtime', () => {
    const whole = { rows: 64, evaluated: 100, atOnce: 1 };
    expect(planRuns({ ...base, student: product, shapes: new Map([['y', [1, 40000]]]) })).toEqual(whole);
    expect(planRuns({ ...base, shapes: new Map([['y', [1, 8, 4, 4]]]) })).toEqual(whole);
    expect(planRuns({ ...base, provider: 'cuda' })).toEqual(whole);
  });

  it('makes whole runs of a graph with a fixed batch', () => {
    const fixed = { ...base, fixedBatch: 8, shapes: new Map([['y', [8, 8, 64, 64]]]), probed: 8 };
    expect(planRuns(fixed)).toEqual({ rows: 8, evaluated: 8, atOnce: 4 });
    expect(planRuns({ ...fixed, batch: 32, cores: 9 })).toEqual({ rows: 8, evaluated: 8, atOnce: 4 });
    expect(planRuns({ ...fixed, batch: 8 })).toEqual({ rows: 8, evaluated: 8, atOnce: 1 });
  });
});

it('split gives parts, the last of which may be shorter', () => {
  expect(split(Int32Array.of(1, 2, 3, 4, 5), 2).map((p) => [...p])).toEqual([[1, 2], [3, 4], [5]]);
  expect(split(new Int32Array(), 2)).toEqual([]);
});
