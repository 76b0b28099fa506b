/** Operators that multiply by a matrix of weights: what people call the layers of a network. */
export const LAYERS: ReadonlySet<string> = new Set(['Gemm', 'MatMul', 'Conv', 'ConvTranspose']);
