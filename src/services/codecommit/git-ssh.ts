import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ServerChannel, type Session } from 'ssh2';
import type { ProtocolVersion } from '../../git/advertisement.ts';
import type { Caller } from '../../kernel/auth/identity.ts';
import type { Context, Origin } from '../../kernel/context.ts';
import type { BlobStore } from '../../kernel/store/blobs.ts';
import { SSH_ALGORITHMS } from './ssh-algorithms.ts';
import { protocolOf, readSshCommand, type SshCommand } from './ssh-command.ts';
import { sshHostKey } from './ssh-host-key.ts';
import { hangUp, hasRoomInPackets, Logins, limitUnread, socketOf, watchStall } from './ssh-limits.ts';
import { gatherWrites, outputOf } from './ssh-output.ts';
import { serveSshCommand } from './ssh-serve.ts';

const MAX_CONNECTIONS = 512;
/** From the first byte until the key is accepted, as OpenSSH's LoginGraceTime, shorter. */
const LOGIN_MS = 20_000;
const MAX_LOGIN_TRIES = 10;
const MAX_SESSIONS = 10;
const KEEP_ALIVE_MS = 30_000;
/** A connection that runs no command is kept open by clients that share it; not for ever. */
const IDLE_MS = 600_000;
const GREETING = [
  'You have successfully authenticated over SSH.',
  'Use Git to work with repositories; interactive shells are not supported.',
  '',
].join('\r\n');

/** Git over SSH of one running server. */
interface Door {
  readonly port: number;
  close(): Promise<void>;
}

/** By the blob store, which every server has of its own; several servers may run in one process. */
const doors = new WeakMap<BlobStore, Door>();

/** The port of git over SSH; undefined where it is switched off. */
export function sshPortOf({ blobs, config }: Pick<Context, 'blobs' | 'config'>): number | undefined {
  return doors.get(blobs)?.port ?? config.sshPort ?? undefined;
}

/**
 * Opens the door: the login name is the id of an SSH key of IAM, the key must be that very one, and both commands of git are
 * all there is to run. @returns the address; none where the door is switched off
 */
export async function openSshDoor(ctx: Context): Promise<readonly string[]> {
  const { host, sshPort } = ctx.config;
  if (sshPort === null) return [];
  const connections = new Set<Connection>();
  const logins = new Logins();
  const server = new ssh2.Server(
    {
      hostKeys: [await sshHostKey(ctx.config.data)],
      algorithms: SSH_ALGORITHMS,
      ident: 'Slipway',
      keepaliveInterval: KEEP_ALIVE_MS,
    },
    (client, { ip, header }) => {
      // A client that breaks off or breaks the protocol loses its connection, which is all there is to do.
      client.on('error', () => client.end());
      // Those who are not in yet have a limit of their own, or they would keep out those who may come in.
      if (connections.size - logins.size >= MAX_CONNECTIONS) {
        hangUp(client);
        return;
      }
      gatherWrites(socketOf(client).setNoDelay());
      connections.add(client);
      logins.add(client);
      client.once('close', () => connections.delete(client));
      new SshConnection(ctx, client, ip.replace(/^::ffff:/, ''), header?.versions?.software ?? '').open();
    },
  );
  server.listen(sshPort, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const why = (error as Error).message;
    throw new Error(
      `Git over SSH cannot listen on port ${sshPort}: ${why}. Choose another one with --ssh-port, or off.`,
    );
  }
  // What goes wrong with a single connection is that connection's; the server itself has nothing to tell.
  server.on('error', (error: Error) => ctx.log.warn({ err: error }, 'git over SSH'));
  const { port } = server.address() as AddressInfo;
  doors.set(ctx.blobs, {
    port,
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const client of connections) hangUp(client);
      await closed;
    },
  });
  return [`ssh://${host.includes(':') ? `[${host}]` : host}:${port}`];
}

/** Ends every connection. */
export async function closeSshDoor(ctx: Context): Promise<void> {
  await doors.get(ctx.blobs)?.close();
  doors.delete(ctx.blobs);
}

/** What a command runs over. */
interface Exchange {
  channel: ServerChannel;
  /** Aborted when the client hangs up. */
  signal: AbortSignal;
  version: ProtocolVersion;
}

/** One client. Who it is is asked again at every command: a key that is switched off opens nothing more. */
class SshConnection {
  readonly #ctx: Context;
  readonly #client: Connection;
  readonly #origin: Omit<Origin, 'signal'>;
  #keyId = '';
  #tries = 0;
  #sessions = 0;
  #commands = 0;
  #idle: { cancel(): void } | undefined;

  constructor(ctx: Context, client: Connection, sourceIp: string, software: string) {
    this.#ctx = ctx;
    this.#client = client;
    this.#origin = { sourceIp, userAgent: `SSH-2.0-${software}`.slice(0, 256) };
  }

  open(): void {
    const grace = this.#ctx.clock.after(LOGIN_MS, () => hangUp(this.#client));
    this.#client
      .on('authentication', (attempt) => void this.#authenticate(attempt))
      .once('ready', () => {
        grace.cancel();
        this.#rest();
      })
      .once('close', () => {
        grace.cancel();
        this.#idle?.cancel();
        this.#idle = undefined;
      })
      .on('session', (accept, reject) => {
        if (this.#sessions >= MAX_SESSIONS) reject();
        else this.#open(accept());
      });
  }

  #open(session: Session): void {
    if (hasRoomInPackets(session)) this.#serve(session);
    else hangUp(this.#client);
  }

  /** Waits for a next command, for a while. */
  #rest(): void {
    this.#idle?.cancel();
    this.#idle = this.#ctx.clock.after(IDLE_MS, () => hangUp(this.#client));
  }

  async #authenticate(attempt: AuthContext): Promise<void> {
    if (attempt.method !== 'publickey') {
      attempt.reject(['publickey']);
      return;
    }
    if ((this.#tries += 1) > MAX_LOGIN_TRIES) {
      attempt.reject();
      this.#client.end();
      return;
    }
    try {
      const known = await this.#key(attempt.username);
      const isRight = known !== undefined && isSameKey(known.publicKey, attempt.key);
      if (!isRight) attempt.reject(['publickey']);
      else if (attempt.signature === undefined) attempt.accept();
      else if (parsedKey(known.publicKey)!.verify(attempt.blob!, attempt.signature, attempt.hashAlgo) === true) {
        this.#keyId = attempt.username;
        attempt.accept();
      } else attempt.reject(['publickey']);
    } catch (error) {
      this.#ctx.log.error({ err: error }, 'a login over SSH failed');
      attempt.reject();
    }
  }

  /** The active key of an id. */
  async #key(id: string): Promise<{ publicKey: string; caller: Caller } | undefined> {
    if (!/^APKA[A-Z0-9]{12,124}$/.test(id)) return undefined;
    const key = await this.#ctx.identity.findSshKey(id);
    return key?.active === true ? key : undefined;
  }

  #serve(session: Session): void {
    this.#sessions += 1;
    let protocol: string | undefined;
    session
      .once('close', () => {
        this.#sessions -= 1;
      })
      .on('env', (accept, reject, { key, val }) => {
        if (key === 'GIT_PROTOCOL') protocol = val;
        if (key === 'GIT_PROTOCOL') accept?.();
        else reject?.();
      })
      // `ssh host` asks for a terminal before its shell; it gets none of its own, only the greeting.
      .on('pty', (accept) => accept?.())
      .on('shell', (accept) => this.#begin(accept, greet))
      .on('exec', (accept, _, { command }) => {
        const asked = readSshCommand(command);
        this.#begin(accept, (channel) => {
          if (asked === undefined) refuse(channel, 'Only git-upload-pack and git-receive-pack can be run.');
          else {
            const signal = this.#signalOf(session, channel);
            const exchange = { channel, signal, version: protocolOf(protocol) };
            this.#run(asked, exchange).catch((error: unknown) => this.#fail(channel, error));
          }
        });
      });
  }

  /** A session runs one thing: whatever is asked for after it gets no channel. */
  #begin(accept: () => ServerChannel | undefined, work: (channel: ServerChannel) => void): void {
    const channel = accept();
    if (channel === undefined) return;
    limitUnread(this.#client, channel);
    work(channel);
  }

  /** Aborted when the client hangs up. A channel says so only when all that came over it was read. */
  #signalOf(session: Session, channel: ServerChannel): AbortSignal {
    const gone = new AbortController();
    const leave = () => gone.abort();
    session.once('close', leave);
    channel.once('close', leave).on('error', leave);
    this.#client.once('close', leave);
    channel.once('close', () => this.#client.off('close', leave));
    return gone.signal;
  }

  async #run(command: SshCommand, { channel, signal, version }: Exchange): Promise<void> {
    const key = await this.#key(this.#keyId);
    if (key === undefined) {
      refuse(channel, 'The SSH key is not active any more.');
      return;
    }
    const output = outputOf(this.#client, channel, signal);
    const watch = watchStall(this.#ctx.clock, output, () => hangUp(this.#client));
    this.#commands += 1;
    this.#idle?.cancel();
    try {
      const status = await serveSshCommand(this.#ctx, key.caller, command, {
        version,
        input: channel,
        output,
        tell: (text) => void channel.stderr.write(`${text}\n`),
        origin: { ...this.#origin, signal },
      });
      end(channel, status);
    } finally {
      watch.cancel();
      output.destroy();
      this.#commands -= 1;
      if (this.#commands === 0 && this.#idle !== undefined) this.#rest();
    }
  }

  /** Ours to mend: the client hears that, and the server goes on. */
  #fail(channel: ServerChannel, error: unknown): void {
    this.#ctx.log.error({ err: error }, 'a command over SSH failed');
    refuse(channel, 'internal error');
  }
}

function parsedKey(text: string): ssh2.ParsedKey | undefined {
  const key = ssh2.utils.parseKey(text);
  return key instanceof Error ? undefined : key;
}

function isSameKey(stored: string, offered: { algo: string; data: Buffer }): boolean {
  return parsedKey(stored)?.getPublicSSH().equals(offered.data) === true;
}

function greet(channel: ServerChannel): void {
  channel.write(GREETING);
  end(channel, 0);
}

function refuse(channel: ServerChannel, text: string): void {
  channel.stderr.write(`${text}\n`);
  end(channel, 128);
}

function end(channel: ServerChannel, status: number): void {
  channel.exit(status);
  channel.end();
  // What the client sends meanwhile is nobody's.
  channel.resume();
}
