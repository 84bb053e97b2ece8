import type { ActionDeclaration, SourceRevisionOverride } from '@aws-sdk/client-codepipeline';
import type { Context } from '../../../kernel/context.ts';
import type { ArtifactLocation } from '../artifacts.ts';

/** The work of one action execution, with everything that it may use. */
export interface Job {
  /** The action execution: the key of idempotency of every call that must not happen twice. */
  readonly id: string;
  readonly executionId: string;
  readonly pipelineName: string;
  readonly pipelineArn: string;
  readonly declaration: ActionDeclaration;
  /** Configuration with the variables' values. */
  readonly configuration: Readonly<Record<string, string>>;
  /** Input artifacts, checked to be what their producers made. */
  readonly inputs: readonly InputArtifact[];
  /** Where the output artifacts go. */
  readonly outputs: readonly ArtifactLocation[];
  /** Revisions that the execution was started with, of this action. */
  readonly overrides: readonly SourceRevisionOverride[];
  /** Revision of the first source of the execution, for builds. */
  readonly sourceRevision: string | undefined;
  /** Set by an outcome `Running`. */
  readonly externalId: string | undefined;
  /** Works as the pipeline's role, or the action's own. */
  readonly role: Context;
}

export interface InputArtifact extends ArtifactLocation {
  readonly etag: string;
  readonly size: number;
  readonly sha256: string | undefined;
}

/** An output artifact that now lies where the job said. */
export interface MadeArtifact {
  readonly name: string;
  readonly etag: string;
  readonly size: number;
  readonly sha256: string | undefined;
}

/** What a source found. */
export interface FoundRevision {
  readonly revisionId: string;
  /** Commit date, or ETag. */
  readonly changeIdentifier?: string | undefined;
  readonly summary?: string | undefined;
  /** Epoch milliseconds. */
  readonly created?: number | undefined;
  readonly url?: string | undefined;
}

/** `FailureType` of the API. */
export type FailureCode =
  | 'JobFailed'
  | 'ConfigurationError'
  | 'PermissionError'
  | 'RevisionUnavailable'
  | 'SystemUnavailable';

interface External {
  readonly externalId?: string | undefined;
  readonly externalUrl?: string | undefined;
  readonly summary?: string | undefined;
}

/** How far the work is. */
export type Outcome =
  | (External & { readonly status: 'Running' })
  | (External & {
      readonly status: 'Succeeded';
      readonly variables?: Readonly<Record<string, string>> | undefined;
      readonly artifacts?: readonly MadeArtifact[] | undefined;
      readonly revision?: FoundRevision | undefined;
    })
  | (External & { readonly status: 'Failed'; readonly code: FailureCode; readonly message: string });

/** Does the work of one kind of action. A fault that it throws fails the action with the fault's words. */
export interface Provider {
  /** Starts the work, or does all of it. After a crash it is asked again with the same job id. */
  start(job: Job): Promise<Outcome>;
  /** Looks at work that runs elsewhere, after it was started and whenever something tells that it moved. */
  observe?(job: Job): Promise<Outcome>;
  /** Ends work that nobody waits for any more. */
  cancel?(job: Pick<Job, 'id' | 'externalId' | 'role'>): Promise<void>;
}
