import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { raise } from '../../diagnostics/diagnostic.js';
import { dataMalformed } from '../../diagnostics/calibration.js';
import type { NumericArray } from '../../graph/feeds.js';
import { toTypedArray } from '../../graph/tensor-data.js';
import { decodeTensor } from '../../onnx/index.js';
import { isFolder, type DataFormat } from './source.js';

/** The layout of the ONNX test suites: `test_data_set_<k>/input_<i>.pb`, i counting the model's inputs without the initializers. */
export const testDataSet: DataFormat = {
  name: 'folder/',
  description: 'a folder with test_data_set_*/input_*.pb',
  example: '--data resnet/',
  matches: (spec) => isFolder(spec) && setsIn(spec).length > 0,
  *open(spec, { inputs }) {
    for (const set of setsIn(spec)) {
      const folder = path.join(spec, set);
      const arrays = new Map<string, NumericArray>();
      for (const file of readdirSync(folder).filter((name) => /^input_\d+\.pb$/.test(name))) {
        const input = inputs[numberIn(file)];
        if (input === undefined)
          raise(dataMalformed(path.join(folder, file), `the model has ${inputs.length} input(s)`));
        const full = path.join(folder, file);
        const tensor = decodeTensor(readFileSync(full), (reason) => dataMalformed(full, reason));
        arrays.set(input.name, { dtype: tensor.dtype, dims: tensor.dims, data: toTypedArray(tensor) });
      }
      yield { arrays, file: folder, combine: 'append' };
    }
  },
};

/** The sets of a folder in numerical order. */
function setsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => /^test_data_set_\d+$/.test(name))
    .sort((a, b) => numberIn(a) - numberIn(b));
}

function numberIn(name: string): number {
  return Number(/\d+/.exec(name)?.[0] ?? 0);
}
