import { type ArtifactStore, InvalidStructureException, type PipelineDeclaration } from '@aws-sdk/client-codepipeline';
import { fault } from '../../kernel/fault.ts';

/**
 * Checks where the pipeline keeps its artifacts: one store, or one for each region of its actions.
 * @throws InvalidStructureException
 */
export function checkArtifactStores(pipeline: PipelineDeclaration, region: string): void {
  const { artifactStore, artifactStores, stages = [] } = pipeline;
  if (artifactStore !== undefined && artifactStores !== undefined) {
    throw structure("Pipeline cannot declare both 'pipeline.artifactStore' and 'pipeline.artifactStores'.");
  }
  if (artifactStore === undefined && artifactStores === undefined) {
    throw structure(
      "Pipeline must declare an artifact store with 'pipeline.artifactStore' or 'pipeline.artifactStores'.",
    );
  }
  const regions = new Set(stages.flatMap(({ actions = [] }) => actions.map((action) => action.region ?? region)));
  regions.add(region);
  if (artifactStore !== undefined && regions.size > 1) {
    throw structure(
      "Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action.",
    );
  }
  for (const wanted of artifactStores === undefined ? [] : regions) {
    if (Object.hasOwn(artifactStores!, wanted)) continue;
    throw structure(
      `Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': ${wanted}.`,
    );
  }
  for (const store of artifactStores === undefined ? [artifactStore!] : Object.values(artifactStores))
    checkStore(store);
}

function checkStore({ encryptionKey }: ArtifactStore): void {
  if (encryptionKey !== undefined) {
    throw structure(
      `The artifact store names the encryption key ${encryptionKey.id}; customer managed keys of artifact stores are not implemented by Slipway`,
    );
  }
}

function structure(message: string) {
  return fault(InvalidStructureException, message);
}

/** The bucket that holds the artifacts of actions in the pipeline's region. */
export function artifactBucketOf(pipeline: PipelineDeclaration, region: string): string {
  return (pipeline.artifactStore ?? pipeline.artifactStores?.[region])!.location!;
}
