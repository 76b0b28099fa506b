/** A fenced block of a page. */
export interface CodeBlock {
  readonly language: string;
  readonly text: string;
}

/** Every fenced block of a page, in order. */
export function codeBlocks(page: string): CodeBlock[] {
  return [...page.matchAll(/^```(\S*)\n([^]*?)^```$/gm)].map((found) => ({ language: found[1]!, text: found[2]! }));
}
