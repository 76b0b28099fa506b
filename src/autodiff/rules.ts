import { CONVOLUTION_RULES } from './convolutions.js';
import { ELEMENTWISE_RULES } from './elementwise.js';
import { PRODUCT_RULES } from './products.js';
import { REDUCTION_RULES } from './reductions.js';
import type { GradientRule } from './rule.js';
import { RESIZE_RULES } from './resize.js';
import { SHAPE_RULES } from './shapes.js';

/** Every operator through which a gradient passes. An operator that is not here stops it, and the report says so. */
export const GRADIENT_RULES: Readonly<Record<string, GradientRule>> = {
  ...ELEMENTWISE_RULES,
  ...PRODUCT_RULES,
  ...CONVOLUTION_RULES,
  ...REDUCTION_RULES,
  ...SHAPE_RULES,
  ...RESIZE_RULES,
};
