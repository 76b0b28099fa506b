import { collectionEntries, rawImages } from './raw-images.mjs';

export function loadData() {
  return rawImages(collectionEntries().find((e) => e.name === 'mobilenetv2-imagenet').calib);
}
