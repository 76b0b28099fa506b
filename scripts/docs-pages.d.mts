/** The lists in the code that pages of docs/ are made from. */
export interface DocsSources {
  readonly refusals: Readonly<
    Record<
      string,
      { readonly meaning: string; readonly limit: 'true' | 'open'; readonly why: string; readonly advice?: string }
    >
  >;
  readonly commands: Readonly<Record<string, { readonly files: readonly string[] }>>;
  /** How the completion script of each shell is installed. */
  readonly completion: Readonly<Record<string, string>>;
  /** Titles of the groups of options. */
  readonly groups: Readonly<Record<string, string>>;
  readonly options: readonly {
    readonly key: string;
    readonly flags: string;
    readonly description: string;
    readonly group: string;
    readonly mandatory?: boolean;
    readonly commands: readonly string[];
  }[];
  /** Keys of the options on images. */
  readonly imageKeys: readonly string[];
  readonly formats: readonly { readonly name: string; readonly description: string; readonly example: string }[];
  readonly providers: readonly string[];
  readonly tolerances: Readonly<Record<string, { readonly kind: 'at-most' | 'at-least' }>>;
  readonly exitCodes: Readonly<Record<string, number>>;
}

export function docsPages(sources: DocsSources): Promise<Map<string, string>>;
