/** Gradients of Gemm, MatMul and BatchNormalization. */
import { floatAttribute, intAttribute } from '../graph/attributes.js';
import { reduceSum, reshape, sumTo, transpose } from './emit.js';
import type { GradientRule, RuleContext } from './rule.js';

/** Y = α A B + β C, A and B transposed where attributes say so: dA = α G Bᵀ, dB = α Aᵀ G, dC = β G. */
const gemm: GradientRule = (c) => {
  const g = c.outputGradients[0]!;
  const [a, b, bias] = c.node.inputs as [string, string, string?];
  const flag = (name: string): number => intAttribute(c.node, name, 0);
  const alpha = floatAttribute(c.node, 'alpha', 1);
  const beta = floatAttribute(c.node, 'beta', 1);
  const [ta, tb] = [flag('transA'), flag('transB')];
  const product = (x: string, tx: number, y: string, ty: number): string => {
    const attributes = { transA: tx, transB: ty, alpha: { name: 'alpha', type: 'float', value: alpha } as const };
    // Before version 11 the addend may not be left out.
    const addend = c.opset < 11 ? [c.scalar(0, x)] : [];
    return c.emit('Gemm', [x, y, ...addend], attributes);
  };
  const ofA = (): string => (ta === 1 ? product(b, tb, g, 1) : product(g, 0, b, 1 - tb));
  const ofB = (): string => (tb === 1 ? product(g, 1, a, ta) : product(a, 1 - ta, g, 0));
  const ofBias = (): string => {
    const scaled = beta === 1 ? g : c.emit('Mul', [g, c.scalar(beta, g)]);
    return sumTo(c, scaled, c.shape(c.node.outputs[0]!), c.shape(bias!));
  };
  return [
    c.needs(0) ? ofA() : undefined,
    c.needs(1) ? ofB() : undefined,
    bias !== undefined && bias !== '' && c.needs(2) ? ofBias() : undefined,
  ];
};

/** The last two axes exchanged. */
function matrixTranspose(c: RuleContext, x: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, i) => i);
  [perm[rank - 2], perm[rank - 1]] = [rank - 1, rank - 2];
  return transpose(c, x, perm);
}

/** Y = A B on the last two axes, batched over the others: dA = G Bᵀ, dB = Aᵀ G. A vector counts as a matrix of one row or column. */
const matmul: GradientRule = (c) => {
  let g = c.outputGradients[0]!;
  const [a, b] = c.node.inputs as [string, string];
  const [da, db] = [c.shape(a), c.shape(b)];
  const row = da.length === 1 ? [1, ...da] : da;
  const column = db.length === 1 ? [...db, 1] : db;
  const dy = [...c.shape(c.node.outputs[0]!)];
  if (da.length === 1 || db.length === 1) {
    if (da.length === 1) dy.splice(db.length === 1 ? dy.length : dy.length - 1, 0, 1);
    if (db.length === 1) dy.push(1);
    g = reshape(c, g, dy);
  }
  const A = da.length === 1 ? reshape(c, a, row) : a;
  const B = db.length === 1 ? reshape(c, b, column) : b;
  const ofA = (): string => {
    const gradient = c.emit('MatMul', [g, matrixTranspose(c, B, column.length)]);
    const summed = sumTo(c, gradient, [...dy.slice(0, -2), row.at(-2)!, row.at(-1)!], row);
    return da.length === 1 ? reshape(c, summed, da) : summed;
  };
  const ofB = (): string => {
    // A matrix that many rows share: one product over all of them in the place of many that are added up.
    if (column.length === 2 && row.length > 2) {
      const flat = (x: string, width: number): string => reshape(c, x, [-1, width]);
      const left = transpose(c, flat(A, row.at(-1)!), [1, 0]);
      const product = c.emit('MatMul', [left, flat(g, dy.at(-1)!)]);
      return db.length === 1 ? reshape(c, product, db) : product;
    }
    const gradient = c.emit('MatMul', [matrixTranspose(c, A, row.length), g]);
    const summed = sumTo(c, gradient, [...dy.slice(0, -2), column.at(-2)!, column.at(-1)!], column);
    return db.length === 1 ? reshape(c, summed, db) : summed;
  };
  return [c.needs(0) ? ofA() : undefined, c.needs(1) ? ofB() : undefined];
};

/** Inference form: y = s (x − m) / √(v + ε) + b with constant m and v. */
const batchNormalization: GradientRule = (c) => {
  const g = c.outputGradients[0]!;
  const [x, scale, , mean, variance] = c.node.inputs as [string, string, string, string, string];
  const shape = c.shape(x);
  const along = [1, shape[1]!, ...shape.slice(2).map(() => 1)];
  const epsilon = floatAttribute(c.node, 'epsilon', 1e-5);
  const deviation = reshape(c, c.emit('Sqrt', [c.emit('Add', [variance, c.scalar(epsilon, variance)])]), along);
  const channels = (value: string): string =>
    reshape(
      c,
      reduceSum(
        c,
        value,
        shape.map((_, i) => i).filter((i) => i !== 1),
        true,
      ),
      [shape[1]!],
    );
  return [
    c.needs(0) ? c.emit('Div', [c.emit('Mul', [g, reshape(c, scale, along)]), deviation]) : undefined,
    c.needs(1)
      ? channels(c.emit('Mul', [g, c.emit('Div', [c.emit('Sub', [x, reshape(c, mean, along)]), deviation])]))
      : undefined,
    c.needs(2) ? channels(g) : undefined,
  ];
};

export const PRODUCT_RULES: Readonly<Record<string, GradientRule>> = {
  Gemm: gemm,
  MatMul: matmul,
  BatchNormalization: batchNormalization,
};
