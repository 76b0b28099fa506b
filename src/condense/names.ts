/** A filter over node names from include and exclude patterns: exact names, or globs with `*` and `?`. Exclusion wins. */
export function nameFilter(
  include: readonly string[] | undefined,
  exclude: readonly string[] | undefined,
): (name: string) => boolean {
  const wanted = include?.map(pattern);
  const unwanted = exclude?.map(pattern) ?? [];
  return (name) => (wanted === undefined || wanted.some((p) => p.test(name))) && !unwanted.some((p) => p.test(name));
}

/** A glob as a regular expression over the whole name. */
export function pattern(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\/]/g, String.raw`\$&`);
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
}
