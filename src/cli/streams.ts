/** The process's streams, handed in so that nothing writes to hidden globals. */
export interface Streams {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}
