import type { Workspace } from './workspace.ts';

/** One line of the table: a measure of ARCHITECTURE's section 6, or a part of one. */
export interface Result {
  /** What was measured. */
  measure: string;
  /** The baseline's figure with its unit, `-` where the measure has none, or why it is missing. */
  baseline: string;
  ours: string;
  /** Ours divided by the baseline's; of rates more is better, of times less. */
  ratio?: number;
  target: string;
  /** Absent where there is nothing to compare with. */
  met?: boolean;
  /** What a reader must know to judge the figures. */
  notes?: string[];
}

/** A measurement that can be asked for by name: `npm run bench -- <name>`. */
export interface Row {
  name: string;
  /** Measures anew, with servers and folders of its own. @throws where it could not be measured */
  measure(workspace: Workspace): Promise<Result[]>;
}
