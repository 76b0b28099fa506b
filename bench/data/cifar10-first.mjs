import { cifarRows } from './cifar10.mjs';

/** The first 1,500 lossless calibration images of CIFAR-10. */
export const loadData = () => cifarRows(0, 1500);
