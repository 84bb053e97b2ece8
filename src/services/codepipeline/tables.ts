export interface PipelineRow {
  id: string;
  account: string;
  region: string;
  name: string;
  /** Of the declaration in force. */
  version: number;
  /** Last number given to an execution or to the entry of one into a stage: the order of both. */
  counter: number;
  created_at: number;
  updated_at: number;
}

export interface DefinitionRow {
  pipeline_id: string;
  version: number;
  /** The admitted `PipelineDeclaration` as JSON. */
  declaration: string;
}

/** What starts the pipeline by itself: one row for each source action of the declaration in force. */
export interface SourceRow {
  pipeline_id: string;
  action_name: string;
  account: string;
  region: string;
  provider: string;
  /** Repository or bucket. */
  location: string;
  /** Branch or object key. */
  reference: string;
  /** 1 where a change starts the pipeline at once (`PollForSourceChanges`). */
  detects: number;
}

/** What an event was about, for the executions that it starts: by itself, or through a rule, with its id. */
export interface SourceChangeRow {
  event_id: string;
  pipeline_id: string;
  action_name: string;
  /** `SourceRevisionType` */
  revision_type: string;
  revision: string;
  seen_at: number;
}

/** The gate in front of a stage. */
export interface TransitionRow {
  pipeline_id: string;
  stage_name: string;
  enabled: number;
  reason: string | null;
  changed_by: string;
  changed_at: number;
}

export interface ExecutionRow {
  id: string;
  pipeline_id: string;
  version: number;
  sequence: number;
  /** `PipelineExecutionStatus` */
  status: string;
  status_summary: string | null;
  /** 1 until it has ended. */
  active: number;
  mode: string;
  /** `STANDARD` or `ROLLBACK` */
  type: string;
  rollback_target: string | null;
  trigger_type: string;
  trigger_detail: string;
  /** `ResolvedPipelineVariable[]` as JSON. */
  variables: string;
  /** `SourceRevisionOverride[]` as JSON. */
  source_revisions: string;
  /** `wait` or `abandon` once a stop was asked for. */
  stop: string | null;
  stop_reason: string | null;
  stage_index: number;
  stage_name: string;
  last_stage_index: number;
  /** 1 while it is in the stage, 0 while it waits in front of it. */
  entered: number;
  auto_retried: number;
  client_token: string | null;
  started_at: number;
  updated_at: number;
}

export interface StageExecutionRow {
  execution_id: string;
  stage_name: string;
  pipeline_id: string;
  stage_index: number;
  /** `StageExecutionStatus` */
  status: string;
  /** From the pipeline's counter: who entered last. */
  entry: number;
  auto_retries: number;
  manual_retries: number;
  /** `RetryTrigger` */
  last_retry: string | null;
  started_at: number;
  updated_at: number;
}

export interface ActionRow {
  /** The action execution's id, and the key of idempotency of what it calls. */
  id: string;
  account: string;
  region: string;
  pipeline_id: string;
  pipeline_name: string;
  execution_id: string;
  version: number;
  stage_name: string;
  stage_index: number;
  action_name: string;
  category: string;
  provider: string;
  /** `ActionExecutionStatus` */
  status: string;
  /** 0 once a retry replaced it. */
  current: number;
  /** 1 while its provider has not been asked to start. */
  queued: number;
  /** 1 while its provider has still to be told that nobody waits for it any more. */
  cancelling: number;
  /** How often its provider failed for no reason of its own. */
  attempts: number;
  /** Order of starts within the pipeline. */
  sequence: number;
  deadline: number;
  /** Of an approval. */
  token: string | null;
  updated_by: string | null;
  /** The pipeline's role; like its place and name kept here so that a deleted pipeline's actions can be cancelled. */
  pipeline_role_arn: string;
  /** `ActionDeclaration` as JSON. */
  declaration: string;
  /** Configuration with the variables' values, as JSON. */
  resolved: string | null;
  /** `{name, s3location}[]` as JSON. */
  inputs: string;
  outputs: string;
  /** What it put out, as JSON. */
  variables: string | null;
  /** Revision that a source found, as JSON (`FoundRevision`). */
  revision: string | null;
  external_id: string | null;
  external_url: string | null;
  summary: string | null;
  error_code: string | null;
  error_message: string | null;
  started_at: number;
  updated_at: number;
}

/** An artifact of an execution and what was in it when it was made. */
export interface ArtifactRow {
  execution_id: string;
  name: string;
  bucket: string;
  object_key: string;
  /** ETag that S3 gave: of a single-part object the MD5 of its bytes. */
  etag: string;
  size: number;
  /** SHA-256 of the bytes in hex, where this service wrote them itself. */
  sha256: string | null;
}

export interface PipelineTables {
  codepipeline_pipelines: PipelineRow;
  codepipeline_definitions: DefinitionRow;
  codepipeline_sources: SourceRow;
  codepipeline_source_changes: SourceChangeRow;
  codepipeline_transitions: TransitionRow;
  codepipeline_executions: ExecutionRow;
  codepipeline_stage_executions: StageExecutionRow;
  codepipeline_action_executions: ActionRow;
  codepipeline_artifacts: ArtifactRow;
}
