import { defineConfig } from 'vitest/config';

const results = process.env['TEST_RESULTS'];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Two cores: one worker keeps onnxruntime's own threads from fighting over them.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // .ci/run asks for the counts as JSON.
    reporters: results === undefined ? ['default'] : ['default', ['json', { outputFile: results }]],
  },
});
