const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  ENOTDIR: 'part of the path is not a folder',
  EISDIR: 'it is a folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file system does not take files of that size',
  EIO: 'the disk reports an error',
  ELOOP: 'the path is a loop of symbolic links',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
};

/** The code of a file system error, e.g. 'ENOENT'; undefined for any other error. */
export function fileErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** An error in words for a person: those above for what file systems say, its own otherwise. */
export function reasonOf(error: unknown): string {
  return REASONS[fileErrorCode(error) ?? ''] ?? (error instanceof Error ? error.message : String(error));
}
