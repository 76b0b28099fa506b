import { symmetricEigen } from '../src/linalg/eigen.js';
import type { Matrix } from '../src/linalg/matrix.js';
import { randomCovariance } from './matrices.js';

/** A random orthogonal matrix. */
export function orthogonal(n: number, seed: number): Matrix {
  return symmetricEigen(randomCovariance(n, seed)).vectors;
}
