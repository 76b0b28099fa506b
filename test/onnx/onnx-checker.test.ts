import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { onnxCheckerVerdicts, onnxPython } from '../../scripts/onnx-checker.mjs';
import { writeModel, type Model } from '../../src/index.js';
import { TRANSFORMERS } from '../attention-networks.js';
import { EXAMPLES } from '../conv-networks.js';
import { randomKeep } from '../conv.js';
import { analyse, cutOnly, outputsOf, randomFeeds } from '../dense.js';
import { smoothNetwork } from '../networks.js';
import { temporaryFolders } from '../temporary-folder.js';

if (onnxPython() === undefined)
  console.warn('files are not shown to onnx.checker: the onnx package for Python (Debian: python3-onnx) is missing');

/** The newest operators that the checker of onnx 1.12 knows. */
const NEWEST = 17;

/** The networks of the tests leave the shapes of their outputs out; the checker asks for them. */
async function withOutputShapes(model: Model): Promise<Model> {
  const values = await outputsOf(model, randomFeeds(model, 2));
  const outputs = model.graph.outputs.map((o) => ({ ...o, shape: values.get(o.name)!.dims }));
  return { ...model, graph: { ...model.graph, outputs } };
}

// Real models meet the checker in test/real-models and bench/coverage.mjs.
describe.skipIf(onnxPython() === undefined)('onnx.checker', () => {
  const folder = temporaryFolders();

  it('finds every network valid, as it is and with half of its channels cut', async () => {
    const written: string[] = [];
    const write = async (name: string, model: Model): Promise<void> => {
      const file = path.join(folder(), `${written.length}.onnx`);
      await writeModel(await withOutputShapes(model), file);
      written.push(`${name} ${file}`);
    };
    for (const [name, { model }] of Object.entries({ ...EXAMPLES, ...TRANSFORMERS })) {
      if ((model.opsets.get('') ?? 0) > NEWEST) continue;
      const analysis = await analyse(model, 2);
      await write(name, model);
      await write(`${name}, cut`, await cutOnly(model, analysis, randomKeep(analysis, 1)));
    }
    const verdicts = onnxCheckerVerdicts(written.map((w) => w.split(' ').at(-1)!))!;
    expect(written.length).toBeGreaterThan(40);
    expect(written.flatMap((name, i) => (verdicts[i] === '' ? [] : [`${name}: ${verdicts[i]}`]))).toEqual([]);
  });

  it('does not pass what is wrong', async () => {
    const model = smoothNetwork();
    const nodes = model.graph.nodes.toReversed();
    const file = path.join(folder(), 'wrong.onnx');
    await writeModel({ ...model, graph: { ...model.graph, nodes } }, file);
    expect(onnxCheckerVerdicts([file])).toEqual([expect.stringContaining('topologically sorted')]);
  });
});
