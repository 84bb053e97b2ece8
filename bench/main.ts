import type { Result } from './row.ts';
import { rows } from './rows.ts';
import { printTable } from './table.ts';
import { Workspace } from './workspace.ts';

/** Measures the named rows, or all of them. @returns the exit status: 1 when a row could not be measured */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !rows.some((row) => row.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`no such row: ${unknown.join(', ')}. Rows: ${rows.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const results: Result[] = [];
  const failed: string[] = [];
  const start = performance.now();
  for (const row of rows.filter(({ name }) => names.length === 0 || names.includes(name))) {
    const began = performance.now();
    say(`${row.name} ...`);
    try {
      await using workspace = await Workspace.make((text) => say(`  ${text}`));
      stopOnSignal(workspace);
      results.push(...(await row.measure(workspace)));
    } catch (error) {
      say(`  ${(error as Error).stack}`);
      failed.push(`${row.name}: ${(error as Error).message.split('\n')[0]}`);
    }
    say(`  ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }
  const lines = [printTable(results), ''];
  const missed = results.filter(({ met }) => met === false).map(({ measure }) => measure);
  lines.push(missed.length === 0 ? 'Every target that was compared is met.' : `Missed: ${missed.join('; ')}`);
  for (const text of failed) lines.push(`Not measured: ${text}`);
  lines.push(`${((performance.now() - start) / 1000).toFixed(0)} s in all`);
  process.stdout.write(`\n${lines.join('\n')}\n`);
  return failed.length === 0 ? 0 : 1;
}

let current: Workspace | undefined;

/** Ctrl-C ends what the row started, too. */
function stopOnSignal(workspace: Workspace): void {
  if (current === undefined) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.once(signal, () => void current![Symbol.asyncDispose]().finally(() => process.exit(130)));
    }
  }
  current = workspace;
}

process.exitCode = await main(process.argv.slice(2));
