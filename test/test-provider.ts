import { PROVIDERS, type ProviderName } from '../src/runtime/providers.js';

/** The execution provider for tests of the calibration: cpu, or what CONDENSE_TEST_PROVIDER names (`npm run check:gpu` sets it). */
export function testProvider(): ProviderName {
  const wanted = process.env['CONDENSE_TEST_PROVIDER'] ?? 'cpu';
  const provider = PROVIDERS.find((name) => name === wanted);
  if (provider === undefined) throw new Error(`CONDENSE_TEST_PROVIDER: no provider is called '${wanted}'`);
  return provider;
}
