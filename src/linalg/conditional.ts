import type { Blas } from '../runtime/blas.js';
import { gather, subtract, transpose, type Matrix } from './matrix.js';
import { regularisedSolve } from './regularised.js';
import { correlation } from './standardise.js';

/** Ridge on the correlations of what is given, unless told otherwise. */
const RIDGE = 1e-10;

/**
 * Covariance of features `wanted` given features `given`: C_ss − C_so C_oo⁻¹ C_os. With nothing given, the block C_ss.
 * @param C n × n
 */
export async function conditionalCovariance(
  C: Matrix,
  wanted: Int32Array,
  given: Int32Array,
  blas: Blas,
  ridge = RIDGE,
): Promise<Matrix> {
  const block = gather(C, wanted, wanted);
  if (given.length === 0) return block;
  const { R, scale } = correlation(gather(C, given, given));
  const cross = gather(C, wanted, given);
  const scaled: Matrix = { ...cross, data: cross.data.map((v, i) => v * scale[i % given.length]!) };
  const { result } = await regularisedSolve(() => scaled, R, ridge, blas);
  return subtract(block, await blas.gemm(result, transpose(scaled)));
}
