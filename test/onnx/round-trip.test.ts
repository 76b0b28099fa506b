import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { cloneModel } from '../../src/graph/edit.js';
import { decodeModel, encodeModel } from '../../src/onnx/index.js';
import { sharedModels } from '../shared-models.js';

const shared = sharedModels();

/** Every real model of the collection, the one in QONNX dialect included. */
function modelFiles({ root, names }: { root: string; names: string[] }): string[] {
  return [...names.map((name) => `${name}/model.onnx`), 'hls4ml-branched/original.qonnx'].map((file) =>
    path.join(root, file),
  );
}

describe.skipIf(shared === undefined)('round trip of real models', () => {
  // No exception is needed for files that are not canonically encoded: what is not edited keeps its bytes as they stand.
  it.each(shared === undefined ? [] : modelFiles(shared))('%s comes back byte for byte', (file) => {
    const bytes = readFileSync(file);
    const model = decodeModel(bytes, { path: file });
    expect(model.graph.nodes.length).toBeGreaterThan(0);
    expect(Buffer.concat(encodeModel(model)).equals(bytes)).toBe(true);
    // So does a copy that a pass would edit.
    expect(Buffer.concat(encodeModel(cloneModel(model))).equals(bytes)).toBe(true);
  });
});
