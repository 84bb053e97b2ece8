import type { Caller } from './auth/identity.ts';
import type { AuditTable } from './store/kernel-tables.ts';

/** One call on its way into the audit trail. Source of the names: CloudTrail User Guide, "CloudTrail record contents". */
export interface AuditEntry {
  readonly id: string;
  readonly at: Date;
  /** Known only by its proof for calls that come unsigned. */
  caller: Caller;
  account: string;
  readonly region: string;
  readonly eventSource: string;
  readonly eventName: string;
  readonly readOnly: boolean;
  readonly sourceIp: string;
  readonly userAgent: string;
  readonly requestId: string;
  readonly management: boolean;
  /** Redacted already. */
  requestParameters: unknown;
  responseElements: unknown;
  resources: string[];
  errorCode?: string;
  errorMessage?: string;
  /** The service that forwarded the call on behalf of the caller. */
  readonly invokedBy?: string | undefined;
  /** `AwsApiCall`, or `AwsServiceEvent` for what a service does by itself. */
  eventType?: string;
  additional?: Record<string, unknown>;
}

const MAX_PARAMETERS_CHARS = 100_000;
/** CloudTrail's own limit on an error message. */
const MAX_MESSAGE_CHARS = 1_024;
/** Of callers that nobody knows: they could fill the disk with their refused requests. */
const MAX_ANONYMOUS_CHARS = 2_000;

/** The row of an entry. @param settledAt epoch milliseconds; null while the outcome is not known. */
export function rowOf(entry: AuditEntry, settledAt: number | null): AuditTable {
  const { caller } = entry;
  return {
    id: entry.id,
    at: entry.at.getTime(),
    account: entry.account,
    region: entry.region,
    event_source: entry.eventSource,
    event_name: entry.eventName,
    read_only: entry.readOnly ? 1 : 0,
    access_key_id: 'accessKeyId' in caller ? (caller.accessKeyId ?? null) : null,
    user_name: userNameOf(caller),
    resources: JSON.stringify(entry.resources),
    error_code: entry.errorCode ?? null,
    record: cloudTrailRecord(entry),
    management: entry.management ? 1 : 0,
    settled_at: settledAt,
  };
}

/** CloudTrail's `Username` of an event: the user, the role session, `root`, or the service. */
function userNameOf(caller: Caller): string | null {
  switch (caller.type) {
    case 'IAMUser':
      return caller.userName;
    case 'AssumedRole':
      return caller.sessionName;
    case 'Root':
      return 'root';
    case 'FederatedUser':
      return caller.federatedName;
    case 'WebIdentityUser':
    case 'SAMLUser':
      return caller.userName;
    case 'AWSService':
      return caller.service;
    case 'Anonymous':
      return null;
  }
}

/** The record as CloudTrail shows it, JSON. */
function cloudTrailRecord(entry: AuditEntry): string {
  const maxChars = entry.caller.type === 'Anonymous' ? MAX_ANONYMOUS_CHARS : MAX_PARAMETERS_CHARS;
  const { errorCode, errorMessage } = entry;
  // A sign-in that failed has a message alone.
  const error =
    (errorCode === undefined ? '' : `,"errorCode":${JSON.stringify(errorCode)}`) +
    (errorMessage === undefined ? '' : `,"errorMessage":${JSON.stringify(errorMessage.slice(0, MAX_MESSAGE_CHARS))}`);
  const head = `{"eventVersion":"1.11","userIdentity":${identityJson(entry)},"eventTime":"${entry.at.toISOString().slice(0, 19)}Z","eventSource":${JSON.stringify(entry.eventSource)},"eventName":${JSON.stringify(entry.eventName)},"awsRegion":${JSON.stringify(entry.region)},"sourceIPAddress":${JSON.stringify(entry.sourceIp)},"userAgent":${JSON.stringify(entry.userAgent)}${error}`;
  const parameters = boundedJson(entry.requestParameters, maxChars);
  const elements = boundedJson(entry.responseElements, maxChars);
  const tail = JSON.stringify({
    ...entry.additional,
    requestID: entry.requestId,
    eventID: entry.id,
    readOnly: entry.readOnly,
    ...(entry.resources.length === 0
      ? {}
      : { resources: entry.resources.map((arn) => ({ ARN: arn, accountId: entry.account })) }),
    eventType: entry.eventType ?? 'AwsApiCall',
    managementEvent: entry.management,
    recipientAccountId: entry.account,
    eventCategory: entry.management ? 'Management' : 'Data',
  });
  return `${head},"requestParameters":${parameters},"responseElements":${elements},${tail.slice(1)}`;
}

/** Callers are kept as long as their credentials, and each makes many calls. */
const identities = new WeakMap<Caller, string>();

function identityJson({ caller, account, invokedBy }: AuditEntry): string {
  if (invokedBy !== undefined) return JSON.stringify({ ...userIdentity(caller, account), invokedBy });
  if (caller.account !== account) return JSON.stringify(userIdentity(caller, account));
  let json = identities.get(caller);
  if (json === undefined) {
    json = JSON.stringify(userIdentity(caller, account));
    identities.set(caller, json);
  }
  return json;
}

/** @param account whose record it is: the owner of a resource hears of a caller from elsewhere no more than his account */
function userIdentity(caller: Caller, account: string): Record<string, unknown> {
  if ('principalId' in caller && caller.account !== account) {
    return { type: 'AWSAccount', principalId: caller.principalId, accountId: caller.account };
  }
  switch (caller.type) {
    case 'AWSService':
      return { type: 'AWSService', invokedBy: caller.service };
    case 'Anonymous':
      return { type: 'AWSAccount', principalId: '', accountId: 'ANONYMOUS_PRINCIPAL' };
    case 'AssumedRole':
      return {
        type: 'AssumedRole',
        principalId: caller.principalId,
        arn: caller.arn,
        accountId: caller.account,
        accessKeyId: caller.accessKeyId,
        sessionContext: {
          sessionIssuer: {
            type: 'Role',
            principalId: caller.roleId,
            arn: caller.roleArn,
            accountId: caller.account,
            userName: caller.roleName,
          },
          ...(caller.federation?.webIdentity === undefined
            ? {}
            : { webIdFederationData: caller.federation.webIdentity }),
          attributes: sessionAttributes(caller.issuedAt, caller.mfaAuthenticatedAt),
          ...(caller.sourceIdentity === undefined ? {} : { sourceIdentity: caller.sourceIdentity }),
        },
        ...(caller.invokedBy === undefined ? {} : { invokedBy: caller.invokedBy }),
      };
    case 'FederatedUser':
      return {
        type: 'FederatedUser',
        principalId: caller.principalId,
        arn: caller.arn,
        accountId: caller.account,
        accessKeyId: caller.accessKeyId,
        sessionContext: {
          sessionIssuer: { ...caller.maker, accountId: caller.account },
          attributes: sessionAttributes(caller.issuedAt),
        },
      };
    case 'WebIdentityUser':
    case 'SAMLUser': {
      const { type, principalId, userName, identityProvider } = caller;
      return { type, principalId, userName, identityProvider };
    }
    default:
      return {
        type: caller.type,
        principalId: caller.principalId,
        arn: caller.arn,
        accountId: caller.account,
        accessKeyId: caller.accessKeyId,
        ...(caller.type === 'IAMUser' ? { userName: caller.userName } : {}),
        ...(caller.issuedAt === undefined
          ? {}
          : { sessionContext: { attributes: sessionAttributes(caller.issuedAt, caller.mfaAuthenticatedAt) } }),
      };
  }
}

function sessionAttributes(issuedAt: number, mfaAuthenticatedAt?: number): Record<string, string> {
  return {
    creationDate: new Date(issuedAt).toISOString().replace(/\.\d{3}Z$/, 'Z'),
    mfaAuthenticated: String(mfaAuthenticatedAt !== undefined),
  };
}

/** JSON of what may be of any size; of what is too large, its size. */
function boundedJson(value: unknown, maxChars: number): string {
  if (value === undefined || value === null) return 'null';
  const text = JSON.stringify(value);
  return text.length <= maxChars ? text : JSON.stringify({ omitted: `${text.length} characters` });
}
