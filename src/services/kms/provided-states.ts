import type { Context, KeyState } from '../../kernel/context.ts';
import { findKey, type Key } from './key-cache.ts';

/** State of a key for whoever keeps its data keys in memory; from the cache, so it is cheap enough for each use. */
export function keyState(keyArn: string, ctx: Context): KeyState | Promise<KeyState> {
  const found = findKey(ctx, keyArn);
  return found instanceof Promise ? found.then((key) => stateOf(key, ctx)) : stateOf(found, ctx);
}

function stateOf(key: Key | undefined, ctx: Context): KeyState {
  if (key === undefined) return 'NotFound';
  if (key.state === 'PendingReplicaDeletion') return 'PendingDeletion';
  const validTo = key.materials.get(key.current_material ?? '')?.validTo;
  // Expired material counts no more, whether or not it has been erased yet.
  if (key.state === 'Enabled' && validTo !== undefined && validTo <= ctx.now().getTime()) return 'PendingImport';
  return key.state;
}
