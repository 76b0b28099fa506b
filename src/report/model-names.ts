import path from 'node:path';

/** What tables call several models: their files' names; where two are called the same, their folders tell them apart. */
export function modelNames(models: readonly { readonly file: string | null }[]): string[] {
  const bases = models.map(({ file }, i) => (file === null ? `model ${i + 1}` : path.basename(file)));
  const alike = new Set(bases).size < bases.length;
  return models.map(({ file }, i) => (alike && file !== null ? file : bases[i]!));
}
