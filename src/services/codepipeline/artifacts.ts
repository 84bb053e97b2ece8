import { ALNUM, type Ids } from '../../kernel/ids.ts';
import type { Pipeline } from './store.ts';
import { artifactBucketOf } from './structure-stores.ts';

/** Where an artifact lies, as the API tells it. */
export interface ArtifactLocation {
  name: string;
  s3location: { bucket: string; key: string };
}

const PIPELINE_CHARS = 20;
const ARTIFACT_CHARS = 10;
const RANDOM_CHARS = 7;

/** A new place in the pipeline's artifact bucket: `<pipeline, 20>/<artifact, 10>/<7 random characters>`, AWS's layout. */
export function artifactLocation(pipeline: Pipeline, name: string, ids: Ids): ArtifactLocation {
  const folder = `${pipeline.name.slice(0, PIPELINE_CHARS)}/${name.slice(0, ARTIFACT_CHARS)}`;
  return {
    name,
    s3location: {
      bucket: artifactBucketOf(pipeline.declaration, pipeline.region),
      key: `${folder}/${ids.string(RANDOM_CHARS, ALNUM)}`,
    },
  };
}
