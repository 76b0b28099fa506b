/** A dense float64 matrix, row-major. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array;
}

export function zeros(rows: number, cols: number): Matrix {
  return { rows, cols, data: new Float64Array(rows * cols) };
}

/** A matrix from nested rows, for tests and small constants. */
export function fromRows(rows: readonly (readonly number[])[]): Matrix {
  const cols = rows[0]?.length ?? 0;
  return { rows: rows.length, cols, data: Float64Array.from(rows.flat()) };
}

/** M[rows, cols] for lists of indices. */
export function gather(M: Matrix, rows: ArrayLike<number>, cols: ArrayLike<number>): Matrix {
  const result = zeros(rows.length, cols.length);
  for (let i = 0; i < rows.length; i++) {
    const from = rows[i]! * M.cols;
    const to = i * cols.length;
    for (let j = 0; j < cols.length; j++) result.data[to + j] = M.data[from + cols[j]!]!;
  }
  return result;
}

/** Mᵀ. */
export function transpose(M: Matrix): Matrix {
  const result = zeros(M.cols, M.rows);
  // Tiles keep both sides in cache.
  const tile = 32;
  for (let i0 = 0; i0 < M.rows; i0 += tile) {
    for (let j0 = 0; j0 < M.cols; j0 += tile) {
      const iEnd = Math.min(i0 + tile, M.rows);
      const jEnd = Math.min(j0 + tile, M.cols);
      for (let i = i0; i < iEnd; i++)
        for (let j = j0; j < jEnd; j++) result.data[j * M.rows + i] = M.data[i * M.cols + j]!;
    }
  }
  return result;
}

/** M + value · I, a new matrix. */
export function addToDiagonal(M: Matrix, value: number): Matrix {
  const data = Float64Array.from(M.data);
  for (let i = 0; i < M.rows; i++) data[i * M.cols + i] = data[i * M.cols + i]! + value;
  return { rows: M.rows, cols: M.cols, data };
}

/** The diagonal of a square matrix. */
export function diagonal(M: Matrix): Float64Array {
  return Float64Array.from({ length: M.rows }, (_, i) => M.data[i * M.cols + i]!);
}

/** A − B, a new matrix. */
export function subtract(A: Matrix, B: Matrix): Matrix {
  return { rows: A.rows, cols: A.cols, data: A.data.map((v, i) => v - B.data[i]!) };
}

/** The indices 0 … n−1 that are not in `indices`, ascending. */
export function complement(n: number, indices: ArrayLike<number>): Int32Array {
  const inside = new Uint8Array(n);
  for (let i = 0; i < indices.length; i++) inside[indices[i]!] = 1;
  const rest: number[] = [];
  for (let i = 0; i < n; i++) if (inside[i] === 0) rest.push(i);
  return Int32Array.from(rest);
}

/** 0 … n−1. */
export function range(n: number): Int32Array {
  return Int32Array.from({ length: n }, (_, i) => i);
}
