import { join } from 'node:path';
import ssh2 from 'ssh2';
import { readOrMake } from '../../kernel/store/durable-file.ts';

/** The key by which clients know this server (Ed25519), kept in the data folder: made once, readable by its owner only. */
export function sshHostKey(dataFolder: string): Promise<string> {
  return readOrMake(join(dataFolder, 'ssh_host_ed25519_key'), newKey);
}

/** About one key in two hundred comes out of the library in a form that it cannot read itself: it drops leading zeros. */
function newKey(): string {
  for (;;) {
    const key = ssh2.utils.generateKeyPairSync('ed25519').private;
    if (!(ssh2.utils.parseKey(key) instanceof Error)) return key;
  }
}
