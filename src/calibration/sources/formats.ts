import { csv } from './csv.js';
import { images } from './images.js';
import { dataModule } from './module.js';
import { namedNpy, npy } from './npy.js';
import { npz } from './npz.js';
import { random } from './random.js';
import type { DataFormat } from './source.js';
import { testDataSet } from './test-data-set.js';
import { wav } from './wav.js';

/** Every data format, in the order in which a specification is matched. The help and the docs are made from this list. */
export const DATA_FORMATS: readonly DataFormat[] = [
  random,
  npz,
  npy,
  namedNpy,
  csv,
  dataModule,
  testDataSet,
  wav,
  images,
];
