// Images that were stored as JPEG: harder for the network than those of its test file, and none of them is among those that it is fitted on.
import { collectionEntries, rawImages } from './raw-images.mjs';

export const loadData = () => rawImages(collectionEntries().find((e) => e.name === 'resnet56-cifar10').more[0]);
