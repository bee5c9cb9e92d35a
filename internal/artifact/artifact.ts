/** An artifact: something a run leaves that people and programs fetch as bytes. */
export const ARTIFACT_TYPES = ['diff', 'applied_diff', 'transcript', 'log', 'output', 'validation'] as const
export type ArtifactType = (typeof ARTIFACT_TYPES)[number]

export interface Artifact {
  /** Stable, opaque to callers; the first part names the source that has it. */
  readonly id: string
  readonly runId: string
  readonly type: ArtifactType
  /** A file name, fit for every file system. */
  readonly name: string
  /** In bytes. */
  readonly size: number
  readonly contentType: string
  /** Of the bytes, in hex. */
  readonly sha256: string
  readonly createdAt: Date
}

/** Where artifacts of one kind come from. */
export interface ArtifactSource {
  /** Artifacts of a run, oldest first, bounded. */
  list(run: RunOfArtifacts): Promise<readonly Artifact[]>
  /** Null: it has none of this id. */
  open(id: string): Promise<OpenArtifact | null>
}

export interface OpenArtifact {
  readonly artifact: Artifact
  readonly content: Buffer
}

/** What sources need to know of a run. */
export interface RunOfArtifacts {
  readonly id: string
  /** The last turn that is over; 0: none yet. */
  readonly endedTurn: number
}
