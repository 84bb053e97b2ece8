import type { ActionDeclaration, PipelineDeclaration } from '@aws-sdk/client-codepipeline';

/** An action with its place: a later stage, or a higher run order of the same stage, is later. */
export interface PlacedAction {
  readonly stageName: string;
  readonly stageIndex: number;
  readonly action: ActionDeclaration;
}

/** All actions of a pipeline in the order of their declaration. */
export function placedActions({ stages = [] }: PipelineDeclaration): PlacedAction[] {
  return stages.flatMap(({ name, actions = [] }, stageIndex) =>
    actions.map((action) => ({ stageName: name!, stageIndex, action })),
  );
}

/** True when `a` has ended well before `b` starts. */
export function isBefore(a: PlacedAction, b: PlacedAction): boolean {
  if (a.stageIndex !== b.stageIndex) return a.stageIndex < b.stageIndex;
  return (a.action.runOrder ?? 1) < (b.action.runOrder ?? 1);
}

/** The first name that occurs twice. */
export function repeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>();
  return names.find((name) => seen.has(name) || !seen.add(name));
}
