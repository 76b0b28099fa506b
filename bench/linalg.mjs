// Times of the numerics that grow with the cube of the width, in float64 with onnxruntime as BLAS, and how each step of the size multiplies them.
//   npm run build && node bench/linalg.mjs [sizes, 256 1024 3200 if left out]
import { choleskyInverse, inverseFactor, solveRight } from '../dist/src/linalg/cholesky.js';
import { addToDiagonal, zeros } from '../dist/src/linalg/matrix.js';
import { correlation } from '../dist/src/linalg/standardise.js';
import { randomNumbers } from '../dist/src/calibration/random.js';
import { Blas } from '../dist/src/runtime/blas.js';
import { nestedOrder } from '../dist/src/select/nested-order.js';
import { improveBySwaps } from '../dist/src/select/swaps.js';

const sizes = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [256, 1024, 3200];
const SWAPS = 20;
const blas = new Blas();
const next = randomNumbers(1);

function random(rows, cols) {
  const matrix = zeros(rows, cols);
  for (let i = 0; i < matrix.data.length; i++) matrix.data[i] = 2 * next() - 1;
  return matrix;
}

/** Best of up to three runs within five seconds, in milliseconds. */
async function time(run) {
  let best = Infinity;
  const start = performance.now();
  for (let i = 0; i < 3 && performance.now() - start < 5000; i++) {
    const from = performance.now();
    await run();
    best = Math.min(best, performance.now() - from);
  }
  return best;
}

const before = new Map();
function print(name, n, milliseconds) {
  const last = before.get(name);
  const growth =
    last === undefined
      ? ''
      : `  ×${(milliseconds / last.milliseconds).toFixed(1)} (cube: ×${((n / last.n) ** 3).toFixed(1)})`;
  console.log(`${String(n).padStart(5)}  ${name.padEnd(28)} ${milliseconds.toFixed(1).padStart(9)} ms${growth}`);
  before.set(name, { n, milliseconds });
}

for (const n of sizes) {
  // A consumer half as wide; features of a decaying spectrum.
  const samples = random(n + 64, n);
  for (let i = 0; i < samples.data.length; i++) samples.data[i] *= 1 / (1 + (i % n));
  const mixed = await blas.gemm(samples, random(n, n));
  const C = addToDiagonal(correlation(await blas.gemm(mixed, mixed, { transA: true })).R, 1e-7);
  const W = random(n >> 1, n);
  const A = await blas.gemm(W, W, { transA: true });

  print('product', n, await time(() => blas.gemm(C, C)));
  print('inverse factor', n, await time(() => inverseFactor(C, blas)));
  print('inverse', n, await time(() => choleskyInverse(C, blas)));
  print('solve n/2 right-hand sides', n, await time(() => solveRight(W, C, blas)));
  const M = await choleskyInverse(C, blas);
  let order;
  print(
    'order by elimination',
    n,
    await time(async () => ({ order } = await nestedOrder([{ M, N: A }], { mode: 'eliminate', blas }))),
  );
  const N = await blas.gemm(await blas.gemm(C, A), C);
  print('order by pivoted Cholesky', n, await time(() => nestedOrder([{ M: C, N }], { mode: 'select', blas })));
  const kept = order.slice(n - (n >> 2)).sort();
  let swaps = 0;
  const spent = await time(async () => ({ swaps } = await improveBySwaps([{ C, W }], kept, { maxSwaps: SWAPS, blas })));
  print(`start and ${swaps} swaps, n/4 kept`, n, spent);
}
await blas.release();
