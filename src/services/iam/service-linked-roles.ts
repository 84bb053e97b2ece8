import * as sdk from '@aws-sdk/client-iam';
import type { Context } from '../../kernel/context.ts';
import { fault } from '../../kernel/fault.ts';
import type { Operation, OperationName } from '../../kernel/service.ts';
import { deleteAllTags } from '../../kernel/tags.ts';
import { newId } from './identifiers.ts';
import { changeIdentities } from './identities.ts';
import { roleOf } from './roles.ts';
import { entityArn, entityByName, entityResource, findEntity, SERVICE_ROLE_PATH } from './store.ts';
import { type RoleRow, tables } from './tables.ts';
import { repointTrustPolicies } from './trust.ts';

type Op<N extends OperationName<typeof sdk>> = Operation<typeof sdk, N>;

/** Services with a role of their own, and the managed policy that it carries. Source: each service's user guide. */
const SERVICES: Readonly<Record<string, { role: string; policy: string }>> = {
  'codestar-notifications.amazonaws.com': {
    role: 'AWSServiceRoleForCodeStarNotifications',
    policy: 'AWSCodeStarNotificationsServiceRolePolicy',
  },
  'codeguru-reviewer.amazonaws.com': {
    role: 'AWSServiceRoleForAmazonCodeGuruReviewer',
    policy: 'AmazonCodeGuruReviewerServiceRolePolicy',
  },
  'events.amazonaws.com': {
    role: 'AWSServiceRoleForCloudWatchEvents',
    policy: 'CloudWatchEventsServiceRolePolicy',
  },
  'apidestinations.events.amazonaws.com': {
    role: 'AWSServiceRoleForAmazonEventBridgeApiDestinations',
    policy: 'AmazonEventBridgeApiDestinationsServiceRolePolicy',
  },
  'cloudtrail.amazonaws.com': { role: 'AWSServiceRoleForCloudTrail', policy: 'CloudTrailServiceRolePolicy' },
  'delivery.logs.amazonaws.com': { role: 'AWSServiceRoleForLogDelivery', policy: 'AWSLogDeliveryServiceRolePolicy' },
  'mrk.kms.amazonaws.com': {
    role: 'AWSServiceRoleForKeyManagementServiceMultiRegionKeys',
    policy: 'AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy',
  },
};

const DEFAULT_SESSION_SECONDS = 3600;

export const CreateServiceLinkedRole: Op<'CreateServiceLinkedRole'> = {
  resource: ({ AWSServiceName: service }, { account }) =>
    entityArn('role', { account, path: `${SERVICE_ROLE_PATH}${service}/`, name: SERVICES[service]?.role ?? '*' }),
  conditions: ({ AWSServiceName }) => ({ 'iam:AWSServiceName': AWSServiceName }),
  async handle({ AWSServiceName: service, Description: description, CustomSuffix: suffix }, ctx) {
    const known = Object.hasOwn(SERVICES, service) ? SERVICES[service] : undefined;
    if (known === undefined) {
      throw fault(sdk.InvalidInputException, `Service-linked roles are not supported for ${service}.`);
    }
    if (suffix !== undefined) {
      throw fault(sdk.InvalidInputException, `Custom suffix is not allowed for ${service}`);
    }
    const statement = { Effect: 'Allow', Principal: { Service: [service] }, Action: ['sts:AssumeRole'] };
    const row: RoleRow = {
      id: newId(ctx.ids, 'AROA'),
      account: ctx.account,
      name: known.role,
      name_key: known.role.toLowerCase(),
      path: `${SERVICE_ROLE_PATH}${service}/`,
      created_at: ctx.now().getTime(),
      description: description ?? null,
      trust_policy: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
      max_session_seconds: DEFAULT_SESSION_SECONDS,
      boundary_arn: null,
      last_used_at: null,
      last_used_region: null,
    };
    await changeIdentities(ctx, async (tx) => {
      if ((await findEntity(tx, ctx.account, 'role', known.role)) !== undefined) {
        throw fault(
          sdk.InvalidInputException,
          `Service role name ${known.role} has been taken in this account, please try a different suffix.`,
        );
      }
      await tables(tx).insertInto('iam_roles').values(row).execute();
      const policy_arn = `arn:aws:iam::aws:policy${SERVICE_ROLE_PATH}${known.policy}`;
      await tables(tx).insertInto('iam_attachments').values({ owner_id: row.id, policy_arn }).execute();
    });
    return { Role: roleOf(row) };
  },
};

export const DeleteServiceLinkedRole: Op<'DeleteServiceLinkedRole'> = {
  resource: ({ RoleName: name }, ctx) => entityResource(ctx, 'role', name),
  async handle({ RoleName: name }, ctx) {
    const uuid = ctx.ids.uuid();
    const DeletionTaskId = await changeIdentities(ctx, async (tx) => {
      const row = await entityByName(tx, ctx.account, 'role', name);
      if (!row.path.startsWith(SERVICE_ROLE_PATH)) {
        throw fault(sdk.NoSuchEntityException, `The service-linked role with name ${name} cannot be found.`);
      }
      const id = `task${row.path}${row.name}/${uuid}`;
      const db = tables(tx);
      await db.deleteFrom('iam_attachments').where('owner_id', '=', row.id).execute();
      await deleteAllTags(tx, entityArn('role', row));
      await repointTrustPolicies(tx, entityArn('role', row), row.id);
      await db.deleteFrom('iam_roles').where('id', '=', row.id).execute();
      // No service here keeps anything that hangs on its role, so the task is done when it is known.
      await db.insertInto('iam_role_deletions').values({ id, account: ctx.account, status: 'SUCCEEDED' }).execute();
      return id;
    });
    return { DeletionTaskId };
  },
};

export const GetServiceLinkedRoleDeletionStatus: Op<'GetServiceLinkedRoleDeletionStatus'> = {
  resource: ({ DeletionTaskId: id }, ctx) => roleOfTask(ctx, id),
  async handle({ DeletionTaskId: id }, ctx) {
    const row = await tables(ctx)
      .selectFrom('iam_role_deletions')
      .select('status')
      .where('id', '=', id)
      .where('account', '=', ctx.account)
      .executeTakeFirst();
    if (row === undefined) throw fault(sdk.NoSuchEntityException, `The deletion task ${id} cannot be found.`);
    return { Status: row.status as sdk.DeletionTaskStatusType };
  },
};

/** ARN of the role in `task/aws-service-role/<service>/<role>/<uuid>`. */
function roleOfTask({ account }: Context, taskId: string): string {
  const match = /^task(\/aws-service-role\/[\w.-]+\/)([\w+=,.@-]+)\/[0-9a-f-]{36}$/.exec(taskId);
  if (match === null) throw fault(sdk.InvalidInputException, `The deletion task id ${taskId} is not valid.`);
  return entityArn('role', { account, path: match[1]!, name: match[2]! });
}
