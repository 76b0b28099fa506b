import { parameterCount } from '../graph/edit.js';
import type { Model } from '../graph/ir.js';
import { encodeModel } from '../onnx/index.js';
import type { WidthCost } from '../plan/cost.js';
import type { Limit } from '../plan/limits.js';
import type { CondenseOptions } from './options.js';
import type { Prepared } from './prepare.js';

/** What the record in the metadata and a few longer names may add to the file, bytes. */
const RECORD_BYTES = 8192;

/** The limits that the options set on the reduced model. Shares are of the model as it came. */
export function limitsOf(
  { input, original, macs }: Prepared,
  { keepParams, keepMacs, size }: CondenseOptions,
  cost: WidthCost,
): Limit[] {
  const limits: Limit[] = [];
  const add = (option: string, unit: string, most: number, full: number, of: Limit['cost']): void => {
    limits.push({ option, unit, most, full, cost: of });
  };
  if (keepParams !== undefined) {
    const full = parameterCount(input);
    add('--keep-params', 'parameters', absolute(keepParams, full), full, (w) => cost.parameters(w));
  }
  if (keepMacs !== undefined)
    add('--keep-macs', 'multiply-accumulates', absolute(keepMacs, macs), macs, (w) => cost.macs(w));
  if (size !== undefined) {
    const full = encodedBytes(input);
    const before = encodedBytes(original) + RECORD_BYTES;
    add('--size', 'bytes', size, full, (w) => before - cost.bytesSaved(w));
  }
  return limits;
}

/** At most 1 is a share, above it a count. */
function absolute(asked: number, full: number): number {
  return asked <= 1 ? Math.floor(asked * full) : Math.floor(asked);
}

/** Bytes of the model as one file. */
export function encodedBytes(model: Model): number {
  return encodeModel(model).reduce((sum, chunk) => sum + chunk.byteLength, 0);
}
