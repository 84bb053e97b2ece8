import * as codecommit from '@aws-sdk/client-codecommit';
import type { BusEvent, Context } from '../context.ts';
import { fault } from '../fault.ts';
import type { Reconciler, Service, ServiceDefinition } from '../service.ts';
import { constraintsOf, testService } from './services.ts';

interface Tables {
  ledger: { name: string };
}

export interface LedgerOptions {
  /** Gets the events of entries. */
  onEvent?(event: BusEvent, ctx: Context): Promise<void>;
  /** Looks at an entry. */
  reconcile?: Reconciler['reconcile'];
  /** Called within the transaction that writes an entry. */
  inTransaction?(): Promise<void>;
}

/**
 * A service with one table, a reader, a writer that emits and wakes, and a writer that fails after its change:
 * GetRepository, CreateRepository and DeleteRepository on CodeCommit's model.
 */
export function ledger(options: LedgerOptions = {}, more: Partial<ServiceDefinition> = {}): Service {
  const { onEvent, reconcile, inTransaction } = options;
  const arn = ({ repositoryName }: { repositoryName: string }, ctx: Context) =>
    `arn:aws:codecommit:${ctx.region}:${ctx.account}:${repositoryName}`;
  const write = async (name: string, ctx: Context, then?: () => void) =>
    ctx.tx(async (tx) => {
      await tx.db<Tables>().insertInto('ledger').values({ name }).execute();
      await tx.emit({ source: 'aws.test', detailType: 'Entry', resources: [], detail: { name } });
      if (reconcile !== undefined) await tx.wake('ledger.entry', name);
      await inTransaction?.();
      then?.();
    });
  return testService(
    'codecommit',
    {
      CreateRepository: {
        resource: arn,
        async handle({ repositoryName }: { repositoryName: string }, ctx) {
          await write(repositoryName, ctx);
          return { repositoryMetadata: { repositoryName, Arn: arn({ repositoryName }, ctx) } };
        },
      },
      DeleteRepository: {
        resource: arn,
        async handle({ repositoryName }: { repositoryName: string }, ctx) {
          await write(repositoryName, ctx, () => {
            throw fault(codecommit.InvalidRepositoryNameException, 'it must not be');
          });
          return {};
        },
      },
      GetRepository: {
        resource: arn,
        async handle({ repositoryName }: { repositoryName: string }, ctx) {
          const row = await ctx
            .db<Tables>()
            .selectFrom('ledger')
            .selectAll()
            .where('name', '=', repositoryName)
            .executeTakeFirst();
          if (row !== undefined) return { repositoryMetadata: { repositoryName } };
          throw fault(codecommit.RepositoryDoesNotExistException, `${repositoryName} does not exist`);
        },
      },
    },
    {
      constraints: constraintsOf('codecommit'),
      migrations: {
        '0001-ledger': {
          up: (db) =>
            db.schema
              .createTable('ledger')
              .addColumn('name', 'text', (c) => c.primaryKey())
              .execute(),
        },
      },
      ...(onEvent === undefined ? {} : { consumers: [{ name: 'ledger.events', handle: onEvent }] }),
      ...(reconcile === undefined ? {} : { reconcilers: [{ name: 'ledger.entry', reconcile }] }),
      ...more,
    },
  );
}
