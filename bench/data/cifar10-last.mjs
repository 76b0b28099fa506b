import { cifarRows } from './cifar10.mjs';

/** The other 500 lossless calibration images of CIFAR-10. */
export const loadData = () => cifarRows(1500, 2000);
