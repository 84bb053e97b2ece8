import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { awsManagedPolicy } from './aws-managed-policies.ts';
import { identitiesOf } from './identities.ts';
import { findManagedDocument } from './managed-documents.ts';
import { slicePage } from './markers.ts';
import { grantsService, namedPolicies, subjectOf } from './named-policies.ts';
import type { AccessReportRow } from './report-tables.ts';
import { entityArn, type OwnerKind } from './store.ts';
import { type EntityRow, tables } from './tables.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Services whose use is recorded: the prefix of their actions, and their names. */
const SERVICES: Readonly<Record<string, string>> = {
  cloudtrail: 'AWS CloudTrail',
  codebuild: 'AWS CodeBuild',
  codecommit: 'AWS CodeCommit',
  codepipeline: 'AWS CodePipeline',
  events: 'Amazon EventBridge',
  iam: 'AWS Identity and Access Management',
  kms: 'AWS Key Management Service',
  logs: 'Amazon CloudWatch Logs',
  s3: 'Amazon S3',
  sts: 'AWS Security Token Service',
};
/** Reports are kept for a day, and swept with each new one. */
const KEPT_MS = 86_400_000;
const SWEPT_AT_ONCE = 50;

export const ListPoliciesGrantingServiceAccess: Op<'ListPoliciesGrantingServiceAccess'> = {
  resource: ({ Arn: subject }) => subject,
  async handle({ Arn: subject, ServiceNamespaces: namespaces, ...paging }, ctx) {
    const policies = await namedPolicies(ctx, await subjectOf(ctx, subject));
    const sorted = [...new Set(namespaces)].sort();
    const scope = `ListPoliciesGrantingServiceAccess ${subject} ${sorted}`;
    const { items, truncation } = await slicePage(ctx, scope, paging, sorted, (namespace) => namespace);
    const PoliciesGrantingServiceAccess = items.map((namespace) => ({
      ServiceNamespace: namespace,
      Policies: policies
        .filter(({ document }) => grantsService(document, namespace))
        .map(({ name, arn, owner }) => ({
          PolicyName: name,
          ...(arn === undefined
            ? {
                PolicyType: sdk.PolicyType.INLINE,
                EntityType: ENTITY_TYPES[owner.kind],
                EntityName: owner.name,
              }
            : { PolicyType: sdk.PolicyType.MANAGED, PolicyArn: arn }),
        })),
    }));
    return { PoliciesGrantingServiceAccess, ...truncation };
  },
};

const ENTITY_TYPES = { user: 'USER', group: 'GROUP', role: 'ROLE' } as const;

/** What a report is about: the texts that grant, and the users and roles whose use counts. */
interface Reported {
  readonly documents: readonly string[];
  readonly entities: readonly { readonly kind: 'user' | 'role'; readonly row: EntityRow }[];
}

async function reportedOf(ctx: Context, arn: string): Promise<Reported> {
  if (/^arn:aws:iam::(\d{12}|aws):policy\//.test(arn)) return reportedPolicy(ctx, arn);
  const subject = await subjectOf(ctx, arn);
  const documents = (await namedPolicies(ctx, subject)).map(({ document }) => document);
  const { kind, row } = subject;
  if (kind !== 'group') return { documents, entities: [{ kind, row }] };
  return { documents, entities: await membersOf(ctx, [row.id]) };
}

async function reportedPolicy(ctx: Context, arn: string): Promise<Reported> {
  const isOwn = arn.startsWith(`arn:aws:iam::${ctx.account}:`) || awsManagedPolicy(arn) !== undefined;
  const document = isOwn ? await findManagedDocument(ctx, arn) : undefined;
  if (document === undefined) throw fault(sdk.NoSuchEntityException, `Policy ${arn} was not found.`);
  const attached = await tables(ctx)
    .selectFrom('iam_attachments')
    .select('owner_id')
    .where('policy_arn', '=', arn)
    .execute();
  const ids = attached.map(({ owner_id }) => owner_id);
  const entities = [...(await entitiesById(ctx, 'user', ids)), ...(await entitiesById(ctx, 'role', ids))];
  for (const member of await membersOf(ctx, ids)) {
    if (!entities.some(({ row }) => row.id === member.row.id)) entities.push(member);
  }
  return { documents: [document], entities };
}

async function entitiesById(ctx: Context, kind: 'user' | 'role', ids: readonly string[]) {
  if (ids.length === 0) return [];
  const rows = await tables(ctx)
    .selectFrom(kind === 'user' ? 'iam_users' : ('iam_roles' as 'iam_users'))
    .selectAll()
    .where('id', 'in', [...ids])
    .where('account', '=', ctx.account)
    .execute();
  return rows.map((row) => ({ kind, row: row as EntityRow }));
}

async function membersOf(ctx: Context, groupIds: readonly string[]) {
  if (groupIds.length === 0) return [];
  const rows = await tables(ctx)
    .selectFrom('iam_group_members as m')
    .innerJoin('iam_users as u', 'u.id', 'm.user_id')
    .selectAll('u')
    .distinct()
    .where('m.group_id', 'in', [...groupIds])
    .where('u.account', '=', ctx.account)
    .execute();
  return rows.map((row) => ({ kind: 'user' as const, row: row as EntityRow }));
}

function principalIdOf({ caller, account }: Context): string {
  return 'principalId' in caller ? caller.principalId : account;
}

export const GenerateServiceLastAccessedDetails: Op<'GenerateServiceLastAccessedDetails'> = {
  resource: ({ Arn: subject }) => subject,
  readOnly: false,
  async handle({ Arn: subject, Granularity: granularity }, ctx) {
    if (granularity === 'ACTION_LEVEL') {
      throw fault(sdk.InvalidInputException, 'The last access of single actions is not recorded: use SERVICE_LEVEL.');
    }
    await reportedOf(ctx, subject);
    const row: AccessReportRow = {
      id: ctx.ids.uuid(),
      account: ctx.account,
      principal_id: principalIdOf(ctx),
      subject_arn: subject,
      created_at: ctx.now().getTime(),
    };
    await ctx.tx(async (tx) => {
      const old = tables(tx)
        .selectFrom('iam_access_reports')
        .select('id')
        .where('created_at', '<', row.created_at - KEPT_MS)
        .limit(SWEPT_AT_ONCE);
      await tables(tx).deleteFrom('iam_access_reports').where('id', 'in', old).execute();
      await tables(tx).insertInto('iam_access_reports').values(row).execute();
    });
    return { JobId: row.id };
  },
};

/** A report of this caller. @throws NoSuchEntity */
async function reportById(ctx: Context, id: string): Promise<AccessReportRow> {
  const row = await tables(ctx)
    .selectFrom('iam_access_reports')
    .selectAll()
    .where('id', '=', id)
    .where('account', '=', ctx.account)
    .where('principal_id', '=', principalIdOf(ctx))
    .executeTakeFirst();
  if (row === undefined) throw fault(sdk.NoSuchEntityException, `The job with id ${id} cannot be found.`);
  return row;
}

interface EntityUse {
  readonly kind: OwnerKind;
  readonly row: EntityRow;
  readonly used: { readonly at: number; readonly region: string } | undefined;
}

/** The entities of a report with their last use of a service, the latest first. */
async function usesOf(ctx: Context, { entities }: Reported, service: string): Promise<EntityUse[]> {
  const ids = entities.map(({ row }) => row.id);
  const rows =
    ids.length === 0
      ? []
      : await tables(ctx)
          .selectFrom('iam_service_use')
          .selectAll()
          .where('service', '=', service)
          .where('owner_id', 'in', ids)
          .execute();
  const byId = new Map(rows.map((row) => [row.owner_id, { at: row.used_at, region: row.region }]));
  return entities
    .map(({ kind, row }) => ({ kind, row, used: byId.get(row.id) }))
    .sort((a, b) => (b.used?.at ?? 0) - (a.used?.at ?? 0) || (a.row.name < b.row.name ? -1 : 1));
}

function jobOf(row: AccessReportRow) {
  const date = new Date(row.created_at);
  return { JobStatus: sdk.JobStatusType.COMPLETED, JobCreationDate: date, JobCompletionDate: date };
}

export const GetServiceLastAccessedDetails: Op<'GetServiceLastAccessedDetails'> = {
  resource: () => '*',
  async handle({ JobId: id, ...paging }, ctx) {
    const job = await reportById(ctx, id);
    await identitiesOf(ctx).principalUse.flush();
    const reported = await reportedOf(ctx, job.subject_arn);
    const granted = Object.keys(SERVICES).filter((service) =>
      reported.documents.some((document) => grantsService(document, service)),
    );
    const { items, truncation } = await slicePage(ctx, `last access ${id}`, paging, granted, (service) => service);
    const ServicesLastAccessed: sdk.ServiceLastAccessed[] = [];
    for (const service of items) {
      const uses = (await usesOf(ctx, reported, service)).filter(({ used }) => used !== undefined);
      const [latest] = uses;
      ServicesLastAccessed.push({
        ServiceName: SERVICES[service],
        ServiceNamespace: service,
        TotalAuthenticatedEntities: uses.length,
        ...(latest === undefined
          ? {}
          : {
              LastAuthenticated: new Date(latest.used!.at),
              LastAuthenticatedEntity: entityArn(latest.kind, latest.row),
              LastAuthenticatedRegion: latest.used!.region,
            }),
      });
    }
    return {
      ...jobOf(job),
      JobType: sdk.AccessAdvisorUsageGranularityType.SERVICE_LEVEL,
      ServicesLastAccessed,
      ...truncation,
    };
  },
};

export const GetServiceLastAccessedDetailsWithEntities: Op<'GetServiceLastAccessedDetailsWithEntities'> = {
  resource: () => '*',
  async handle({ JobId: id, ServiceNamespace: service, ...paging }, ctx) {
    const job = await reportById(ctx, id);
    await identitiesOf(ctx).principalUse.flush();
    const uses = await usesOf(ctx, await reportedOf(ctx, job.subject_arn), service);
    const placed = uses.map((use, index) => ({ ...use, place: String(index).padStart(9, '0') }));
    const scope = `last access ${id} ${service}`;
    const { items, truncation } = await slicePage(ctx, scope, paging, placed, ({ place }) => place);
    const EntityDetailsList = items.map(({ kind, row, used }) => ({
      EntityInfo: {
        Arn: entityArn(kind, row),
        Name: row.name,
        Type: ENTITY_TYPES[kind],
        Id: row.id,
        Path: row.path,
      },
      ...(used === undefined ? {} : { LastAuthenticated: new Date(used.at) }),
    }));
    return { ...jobOf(job), EntityDetailsList, ...truncation };
  },
};
