import * as ort from 'onnxruntime-node';
import { makeNode } from '../graph/attributes.js';
import type { Model } from '../graph/ir.js';
import { zeros, type Matrix } from '../linalg/matrix.js';
import { encodeModel } from '../onnx/index.js';

export interface GemmOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
}

/** Below this many multiply-adds a call into the runtime costs more than plain loops. */
const SMALL = 60_000;

/**
 * Matrix products in float64 with onnxruntime as BLAS: small models that hold one Gemm in double. Made explicitly and released by its owner;
 * sessions are opened when first needed, at most one for each combination of transposes.
 */
export class Blas {
  private readonly sessions = new Map<string, ort.InferenceSession>();

  /** op(A) op(B), where op transposes if asked to. */
  async gemm(A: Matrix, B: Matrix, { transA = false, transB = false }: GemmOptions = {}): Promise<Matrix> {
    const m = transA ? A.cols : A.rows;
    const k = transA ? A.rows : A.cols;
    const n = transB ? B.rows : B.cols;
    if (k !== (transB ? B.cols : B.rows))
      throw new Error(`gemm: ${m}×${k} does not fit ${transB ? B.cols : B.rows}×${n}`);
    if (m === 0 || n === 0 || k === 0) return zeros(m, n);
    if (m * n * k < SMALL) return smallGemm(A, B, transA, transB, m, n, k);
    const session = await this.session(transA, transB);
    const output = await session.run({
      a: new ort.Tensor('float64', A.data, [A.rows, A.cols]),
      b: new ort.Tensor('float64', B.data, [B.rows, B.cols]),
    });
    return { rows: m, cols: n, data: output['y']!.data as Float64Array };
  }

  private async session(transA: boolean, transB: boolean): Promise<ort.InferenceSession> {
    const key = `${transA}${transB}`;
    const open = this.sessions.get(key);
    if (open !== undefined) return open;
    const session = await ort.InferenceSession.create(Buffer.concat(encodeModel(gemmModel(transA, transB))), {
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
    });
    this.sessions.set(key, session);
    return session;
  }

  async release(): Promise<void> {
    for (const session of this.sessions.values()) await session.release();
    this.sessions.clear();
  }
}

function gemmModel(transA: boolean, transB: boolean): Model {
  const matrix = (name: string) => ({ name, dtype: 'float64', shape: [undefined, undefined] }) as const;
  return {
    graph: {
      name: 'gemm',
      nodes: [makeNode('Gemm', ['a', 'b'], ['y'], { transA: transA ? 1 : 0, transB: transB ? 1 : 0 })],
      initializers: new Map(),
      inputs: [matrix('a'), matrix('b')],
      outputs: [matrix('y')],
      valueInfo: [],
      sparseInitializers: [],
    },
    irVersion: 8,
    opsets: new Map([['', 17]]),
    metadata: [],
    functions: [],
    producer: { name: 'onnx-condense', version: '' },
  };
}

function smallGemm(A: Matrix, B: Matrix, transA: boolean, transB: boolean, m: number, n: number, k: number): Matrix {
  const result = zeros(m, n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const a = A.data[transA ? p * A.cols + i : i * A.cols + p]!;
      if (a === 0) continue;
      for (let j = 0; j < n; j++) {
        const at = i * n + j;
        result.data[at] = result.data[at]! + a * B.data[transB ? j * B.cols + p : p * B.cols + j]!;
      }
    }
  }
  return result;
}
