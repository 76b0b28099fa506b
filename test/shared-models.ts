import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const repoRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** The collection of real models beside the checkout, or undefined (with a note) where it is missing. */
export function sharedModels(): { root: string; names: string[] } | undefined {
  const root = path.resolve(repoRoot, '../shared/models');
  if (!existsSync(root)) {
    console.warn(`tests on real models are skipped: ${root} does not exist`);
    return undefined;
  }
  const names = readdirSync(root).filter((name) => existsSync(path.join(root, name, 'model.onnx')));
  return { root, names: names.sort() };
}
