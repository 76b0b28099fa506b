import { readFileSync } from 'node:fs';

/** Version of this package, from its package.json (one folder up from the sources, two from the built files). */
export const VERSION: string = readVersion();

function readVersion(): string {
  for (const up of ['..', '../..']) {
    try {
      const text = readFileSync(new URL(`${up}/package.json`, import.meta.url), 'utf8');
      const parsed = JSON.parse(text) as { name?: string; version?: string };
      if (parsed.name === 'onnx-condense' && parsed.version !== undefined) return parsed.version;
    } catch {
      // Not here: one further up.
    }
  }
  return '0.0.0';
}
