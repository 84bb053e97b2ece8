/** Brings a pipeline to where its state and the clock say it should be; keyed by the pipeline's internal id. */
export const PIPELINE = 'codepipeline.pipeline';
/** Does the work of one action execution; keyed by its id. */
export const ACTION = 'codepipeline.action';
