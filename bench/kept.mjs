// What benches have measured, kept in out/<section> so that a table can be made of runs of several days.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The results of one section: written by key, and read as a list that is empty where there is none; what was kept as a list comes as its elements. */
export function keptResults(section) {
  const folder = fileURLToPath(new URL(`../out/${section}`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  const fileOf = (key) => path.join(folder, `${key}.json`);
  return {
    folder,
    write: (key, result) => writeFileSync(fileOf(key), JSON.stringify(result)),
    read: (key) => (existsSync(fileOf(key)) ? [JSON.parse(readFileSync(fileOf(key), 'utf8'))].flat() : []),
  };
}
