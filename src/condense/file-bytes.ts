import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { ModelSource } from '../graph/ir.js';

/** Bytes of a model's file and of its external data. */
export async function fileBytes({ path: file, byteLength, externalFiles }: ModelSource): Promise<number> {
  const data = await Promise.all(externalFiles.map((name) => stat(path.join(path.dirname(file), name))));
  return data.reduce((sum, { size }) => sum + size, byteLength);
}
