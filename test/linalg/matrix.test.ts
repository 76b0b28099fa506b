import { describe, expect, it } from 'vitest';
import {
  addToDiagonal,
  complement,
  diagonal,
  fromRows,
  gather,
  range,
  subtract,
  transpose,
  zeros,
} from '../../src/linalg/matrix.js';
import { randomMatrix, transposed } from '../matrices.js';

const M = fromRows([
  [1, 2, 3],
  [4, 5, 6],
]);

describe('small matrix tools', () => {
  it('gather takes rows and columns in the order given, repeats included', () => {
    expect(gather(M, [1, 0], [2, 2, 0])).toEqual(
      fromRows([
        [6, 6, 4],
        [3, 3, 1],
      ]),
    );
    expect(gather(M, [], [0])).toEqual({ rows: 0, cols: 1, data: new Float64Array(0) });
  });

  // Tiles hold 32: below, at and across their borders.
  it.each([
    [2, 3],
    [32, 32],
    [33, 31],
    [70, 65],
    [1, 100],
  ])('transpose of %i×%i', (rows, cols) => {
    const A = randomMatrix(rows, cols, 1);
    expect(transpose(A)).toEqual(transposed(A));
  });

  it('addToDiagonal and subtract leave their input alone', () => {
    const A = fromRows([
      [1, 2],
      [3, 4],
    ]);
    expect(addToDiagonal(A, 10)).toEqual(
      fromRows([
        [11, 2],
        [3, 14],
      ]),
    );
    expect(
      subtract(
        A,
        fromRows([
          [1, 1],
          [1, 1],
        ]),
      ),
    ).toEqual(
      fromRows([
        [0, 1],
        [2, 3],
      ]),
    );
    expect(A).toEqual(
      fromRows([
        [1, 2],
        [3, 4],
      ]),
    );
    expect([...diagonal(A)]).toEqual([1, 4]);
  });

  it('complement and range', () => {
    expect([...complement(5, [3, 0])]).toEqual([1, 2, 4]);
    expect([...complement(2, [0, 1])]).toEqual([]);
    expect([...range(3)]).toEqual([0, 1, 2]);
    expect(zeros(2, 0).data.length).toBe(0);
  });
});
