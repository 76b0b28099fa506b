import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { CondenseError } from '../../src/diagnostics/diagnostic.js';
import type { NumericArray } from '../../src/graph/feeds.js';
import { numberToFloat16 } from '../../src/graph/float16.js';
import {
  fedBack,
  fedColumns,
  fitted,
  formatFeedback,
  parseFeedback,
  type Feedback,
} from '../../src/verify/feedback.js';
import { floats } from '../calibration/arrays.js';
import { writeNpz } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

const folder = temporaryFolders();

/** The diagnostic of what a function throws. */
function diagnosticOf(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error instanceof CondenseError ? error.diagnostic : error;
  }
}

describe('the text of a feedback', () => {
  const parse = (text: string) => parseFeedback(text, ['y', 'change', 'grow+', 'out:0'], ['x', 'state', 'state:0']);

  it.each<[string, Feedback]>([
    ['y:x', { output: 'y', input: 'x', add: false }],
    ['change+:state', { output: 'change', input: 'state', add: true }],
    ['change+:state[2:10]', { output: 'change', input: 'state', add: true, columns: [2, 3, 4, 5, 6, 7, 8, 9] }],
    ['y:x[3, 0,5:7]', { output: 'y', input: 'x', add: false, columns: [3, 0, 5, 6] }],
    ['y*-2.5e-3+:x', { output: 'y', input: 'x', add: true, scale: -2.5e-3 }],
    ['y*.5:x[1]', { output: 'y', input: 'x', add: false, scale: 0.5, columns: [1] }],
    ['y*1e+3+:x', { output: 'y', input: 'x', add: true, scale: 1000 }],
    ['y:x@a b/c:d.npz', { output: 'y', input: 'x', add: false, scaling: 'a b/c:d.npz' }],
    ['y*2+:x[0]@s.npz', { output: 'y', input: 'x', add: true, scale: 2, columns: [0], scaling: 's.npz' }],
    // Names with marks in them: the longest that the model has.
    ['out:0:state:0', { output: 'out:0', input: 'state:0', add: false }],
    ['grow++:x', { output: 'grow+', input: 'x', add: true }],
  ])('%s', (text, wanted) => {
    expect(parse(text)).toEqual(wanted);
  });

  it.each([
    ['z:x', 'OUTPUT_UNKNOWN', "the model has no output 'z'"],
    ['z*2+:x', 'OUTPUT_UNKNOWN', "the model has no output 'z'"],
    ['changes:x', 'OUTPUT_UNKNOWN', "the model has no output 'changes'"],
    ['y:z', 'INPUT_UNKNOWN', "the model has no input 'z' that takes data"],
    ['y+:z[1:2]@s.npz', 'INPUT_UNKNOWN', "the model has no input 'z' that takes data"],
    ['y', 'FEEDBACK_INVALID', "the feedback 'y' is not understood"],
    ['', 'FEEDBACK_INVALID', "the feedback '' is not understood"],
    ['y:', 'FEEDBACK_INVALID', "the feedback 'y:' is not understood"],
    [':x', 'FEEDBACK_INVALID', "the feedback ':x' is not understood"],
    ['y*fast:x', 'FEEDBACK_INVALID', "the feedback 'y*fast:x' is not understood"],
    ['y:x[]', 'FEEDBACK_INVALID', "the feedback 'y:x[]' is not understood"],
    ['y:x[2:2]', 'FEEDBACK_INVALID', "the feedback 'y:x[2:2]' is not understood"],
    ['y:x[0:99999999999]', 'FEEDBACK_INVALID', "the feedback 'y:x[0:99999999999]' is not understood"],
    ['y:x[1,]', 'FEEDBACK_INVALID', "the feedback 'y:x[1,]' is not understood"],
    ['y:x[-1]', 'FEEDBACK_INVALID', "the feedback 'y:x[-1]' is not understood"],
  ])('%s is refused: %s', (text, code, message) => {
    expect(diagnosticOf(() => parse(text))).toMatchObject({ code, message, where: '--feedback', exitCode: 2 });
  });

  it('is written as it is read', () => {
    for (const text of ['y:x', 'change+:state[0,2:5]', 'y:x[3,1:3]']) expect(formatFeedback(parse(text))).toBe(text);
  });
});

const fit = (feedback: Partial<Feedback>, output: NumericArray, input: NumericArray, rowAxis?: number | null) =>
  fitted({ output: 'y', input: 'x', ...feedback }, output, input, rowAxis === null ? undefined : (rowAxis ?? 0));

describe('the input of the next step', () => {
  const x = floats([2, 3], [1, 2, 3, 4, 5, 6]);
  const y = floats([2, 2], [10, 20, 30, 40]);
  const next = (feedback: Partial<Feedback>, output = y, input = x, rowAxis?: number | null): number[] => [
    ...(fedBack(fit(feedback, output, input, rowAxis), output, input).data as Float32Array),
  ];

  it('is the output, in the first columns or in those that are named', () => {
    expect(next({})).toEqual([10, 20, 3, 30, 40, 6]);
    expect(next({ columns: [2, 0] })).toEqual([20, 2, 10, 40, 5, 30]);
    expect([...(x.data as Float32Array)]).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('or what it was with the output added, times a factor', () => {
    expect(next({ add: true })).toEqual([11, 22, 3, 34, 45, 6]);
    expect(next({ add: true, scale: 0.5, columns: [1, 2] })).toEqual([1, 7, 13, 4, 20, 26]);
    expect(next({ scale: [1, -1], offset: [0, 5] })).toEqual([10, -15, 3, 30, -35, 6]);
  });

  it('has channels as its columns where rows are images, and lies along the other axis where rows do', () => {
    const images = floats([1, 2, 1, 2], [1, 2, 3, 4]);
    const channel = floats([1, 1, 1, 2], [7, 8]);
    expect(next({ columns: [1] }, channel, images)).toEqual([1, 2, 7, 8]);
    const [states, one] = [floats([2, 3], [1, 2, 3, 4, 5, 6]), floats([1, 3], [7, 8, 9])];
    expect(next({ columns: [1] }, one, states, 1)).toEqual([1, 2, 3, 7, 8, 9]);
    expect(next({ columns: [1] }, floats([1], [9]), floats([3], [1, 2, 3]), null)).toEqual([1, 9, 3]);
    expect(next({ add: true }, floats([3], [1, 1, 1]), floats([3], [1, 2, 3]))).toEqual([2, 3, 4]);
    expect(fedColumns(fit({ columns: [1] }, channel, images), images).data).toEqual(Float32Array.of(3, 4));
  });

  it('is of its own type, whatever that of the output', () => {
    const half = { dtype: 'float16' as const, dims: [1, 1], data: Uint16Array.of(numberToFloat16(1.5)) };
    const single = floats([1, 1], [0.25]);
    expect(next({ add: true }, half, single)).toEqual([1.75]);
    expect(fedBack(fit({ add: true }, single, half), single, half)).toEqual({
      ...half,
      data: Uint16Array.of(numberToFloat16(1.75)),
    });
  });

  it.each<[string, Partial<Feedback>, number[], RegExp]>([
    ['more columns than the input', {}, [2, 4], /'y' is \[2, 4\], 'x' is \[2, 3\]/],
    ['another rank', {}, [2, 2, 1], /'y' is \[2, 2, 1\]/],
    ['other rows', {}, [1, 2], /'y' is \[1, 2\]/],
    ['columns that are not there', { columns: [2, 3] }, [2, 2], /'y:x\[2:4\]' .* 'x' is \[2, 3\]/],
    ['other columns than the output has', { columns: [0, 1, 2] }, [2, 2], /and 3 columns are named/],
    ['a column twice', { columns: [1, 1] }, [2, 2], /a column is fed twice/],
    ['factors of another number', { scale: [1, 2, 3] }, [2, 2], /scale has not 2 finite numbers/],
    ['an offset that is none', { offset: NaN }, [2, 2], /offset has not 2 finite numbers/],
  ])('%s is refused', (_, feedback, dims, message) => {
    const output = floats(
      dims,
      Array.from({ length: dims.reduce((a, b) => a * b) }, () => 1),
    );
    expect(diagnosticOf(() => fit(feedback, output, x))).toMatchObject({
      code: 'FEEDBACK_DOES_NOT_FIT',
      message: expect.stringMatching(message) as string,
      exitCode: 2,
    });
  });

  it('is no number of a class', () => {
    const label = { dtype: 'int64' as const, dims: [2, 1], data: BigInt64Array.of(1n, 2n) };
    expect(diagnosticOf(() => fit({}, label, x))).toMatchObject({
      message: expect.stringContaining("'y' is of type int64, and only floating-point numbers are fed back") as string,
    });
  });
});

describe('a scaling', () => {
  const double = (values: number[]): NumericArray => ({
    dtype: 'float64',
    dims: [values.length],
    data: Float64Array.from(values),
  });
  const scaling = {
    x_mean: double([100, 7, -4]),
    x_std: double([20, 1, 0.5]),
    y_mean: double([3, 1]),
    y_std: double([5, 2]),
  };
  const input = floats([1, 3], [0.5, 9, 2]); // 110 and −3 in physical units, at columns 0 and 2
  const output = floats([1, 2], [2, -1]); // 13 and −1
  const next = (arrays: Readonly<Record<string, NumericArray>>, feedback: Partial<Feedback>) => {
    const file = writeNpz(folder(), 's.npz', arrays);
    return [
      ...(fedBack(fit({ columns: [0, 2], scaling: file, ...feedback }, output, input), output, input)
        .data as Float32Array),
    ];
  };

  it('makes the equation one of physical units', () => {
    // 110 + 13 and −3 − 1.
    expect(next(scaling, { add: true })).toEqual([(123 - 100) / 20, 9, (-4 + 4) / 0.5].map(Math.fround));
    // 13 and −1 themselves.
    expect(next(scaling, {})).toEqual([(13 - 100) / 20, 9, (-1 + 4) / 0.5].map(Math.fround));
    // 110 + 2 · 13 + 1 and −3 + 2 · −1 + 1.
    expect(next(scaling, { add: true, scale: 2, offset: 1 })).toEqual([(137 - 100) / 20, 9, 0].map(Math.fround));
  });

  it('may have the names of input and output, and one number for all columns', () => {
    const { x_mean, x_std, y_mean, y_std } = scaling;
    expect(next({ x_mean: double([0]), x_std: x_std, y_mean, y_std }, { add: true })[0]).toBe(
      Math.fround(0.5 + 13 / 20),
    );
    const file = writeNpz(folder(), 'n.npz', {
      state_mean: x_mean,
      state_std: x_std,
      change_mean: y_mean,
      change_std: y_std,
    });
    const named = fitted({ output: 'change', input: 'state', columns: [0, 2], scaling: file }, output, input, 0);
    expect([...named.scale]).toEqual([5 / 20, 2 / 0.5]);
    expect([...named.offset]).toEqual([(3 - 100) / 20, (1 + 4) / 0.5]);
  });

  it.each<[string, Readonly<Record<string, NumericArray>>, RegExp]>([
    [
      'an array that is missing',
      { x_mean: double([0]), x_std: double([1]) },
      /there is no y_mean; it has x_mean, x_std/,
    ],
    ['an array of other columns', { ...scaling, x_std: double([1, 2]) }, /x_std does not hold 3 finite numbers/],
    ['a number that is none', { ...scaling, y_mean: double([NaN, 0]) }, /y_mean does not hold 2 finite numbers/],
    ['a column without spread', { ...scaling, x_std: double([1, 1, 0]) }, /deviation of column 2 of the input is 0/],
  ])('with %s is refused', (_, arrays, message) => {
    expect(diagnosticOf(() => next(arrays, {}))).toMatchObject({
      code: 'SCALING_UNUSABLE',
      message: expect.stringMatching(message) as string,
      where: expect.stringMatching(/s\.npz$/) as string,
      exitCode: 2,
    });
  });

  it('that is not there is refused', () => {
    const file = path.join(folder(), 'absent.npz');
    expect(diagnosticOf(() => fit({ columns: [0, 2], scaling: file }, output, input))).toMatchObject({
      code: 'SCALING_UNUSABLE',
      where: file,
    });
  });
});
