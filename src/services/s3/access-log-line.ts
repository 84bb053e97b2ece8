/** A line of an access log. Source: S3 User Guide, "Amazon S3 server access log format". */
import type { Caller } from '../../kernel/auth/identity.ts';
import type { AnsweredRequest } from '../../kernel/service.ts';
import { ownerOf } from './find-bucket.ts';

/** What is kept of a request until its line is written. */
export interface AccessRecord {
  at: Date;
  /** Everything from the time on. */
  rest: string;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

const OPERATIONS: Readonly<Record<string, string>> = {
  AbortMultipartUpload: 'REST.DELETE.UPLOAD',
  CompleteMultipartUpload: 'REST.POST.UPLOAD',
  CopyObject: 'REST.COPY.OBJECT',
  CreateMultipartUpload: 'REST.POST.UPLOADS',
  DeleteObjects: 'REST.POST.MULTI_OBJECT_DELETE',
  ListMultipartUploads: 'REST.GET.UPLOADS',
  ListObjectVersions: 'REST.GET.BUCKETVERSIONS',
  ListParts: 'REST.GET.UPLOAD',
  UploadPart: 'REST.PUT.PART',
  UploadPartCopy: 'REST.COPY.PART',
};
const SELECTED: Readonly<Record<string, string>> = {
  policy: 'BUCKETPOLICY',
  tagging: 'TAGGING',
  publicAccessBlock: 'PUBLIC_ACCESS_BLOCK',
  policyStatus: 'BUCKETPOLICYSTATUS',
  ownershipControls: 'OWNERSHIP_CONTROLS',
  logging: 'LOGGING_STATUS',
};

function operationName({ request, target }: AnsweredRequest): string {
  const { operation = '', labels = {} } = target ?? {};
  const known = OPERATIONS[operation];
  if (known !== undefined) return known;
  const level = labels['Key'] === undefined ? 'BUCKET' : 'OBJECT';
  const selector = /^(?!x-|list-type|prefix|delimiter|X-Amz)([A-Za-z]+)=?(&|$)/.exec(request.query)?.[1];
  if (selector === undefined) return `REST.${request.method}.${level}`;
  const name = SELECTED[selector] ?? selector.toUpperCase();
  return `REST.${request.method}.${level === 'OBJECT' && selector === 'tagging' ? 'OBJECT_TAGGING' : name}`;
}

function requesterOf(caller: Caller): string {
  switch (caller.type) {
    case 'Anonymous':
      return '-';
    case 'AWSService':
      return `svc:${caller.service}`;
    case 'Root':
      return ownerOf(caller.account).ID;
    default:
      return 'arn' in caller ? caller.arn : '-';
  }
}

/** `[06/Feb/2019:00:00:38 +0000]` */
function timeText(at: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${two(at.getUTCDate())}/${MONTHS[at.getUTCMonth()]}/${at.getUTCFullYear()}`;
  return `[${day}:${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())} +0000]`;
}

/** Text between quotation marks; nothing in it can end the field or the line. */
function quotedText(text: string | undefined): string {
  if (text === undefined || text === '') return '"-"';
  return `"${text.replace(/["\\\x00-\x1f\x7f]/g, (char) => `\\x${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)}"`;
}

const AUTH_TYPES = { header: 'AuthHeader', query: 'QueryString', form: '-' } as const;

/** Takes out of a request what its line says. Signatures are left out: a logged one could be used again. */
export function accessRecord(answered: AnsweredRequest): AccessRecord {
  const { request, target, ctx, status, bytes, errorCode, startedAt, tookMs } = answered;
  const key = target?.labels['Key'];
  const query = request.query.replace(/(X-Amz-(?:Signature|Security-Token|Credential))=[^&]*/gi, '$1=...');
  const uri = `${request.method} ${request.path}${query === '' ? '' : `?${query}`} HTTP/${request.message.httpVersion}`;
  const sentBody = request.method === 'HEAD' ? 0 : bytes;
  const length = request.method === 'PUT' && key !== undefined ? request.headers['content-length'] : undefined;
  const size = target?.operation === 'GetObject' && status === 200 ? String(bytes) : (length ?? '-');
  const milliseconds = String(Math.max(0, Math.round(tookMs)));
  const version = new URLSearchParams(request.query).get('versionId');
  const fields = [
    timeText(startedAt),
    ctx.sourceIp || '-',
    requesterOf(ctx.caller),
    ctx.requestId,
    operationName(answered),
    key === undefined ? '-' : encodeURIComponent(encodeURIComponent(key).replaceAll('%2F', '/')).replaceAll('%2F', '/'),
    quotedText(uri),
    String(status),
    errorCode ?? '-',
    sentBody === 0 ? '-' : String(sentBody),
    size,
    milliseconds,
    milliseconds,
    quotedText(request.headers['referer']),
    quotedText(request.headers['user-agent']),
    version === null || version === '' ? '-' : encodeURIComponent(version),
    '-',
    ctx.signature === undefined ? '-' : 'SigV4',
    '-',
    ctx.signature === undefined ? '-' : AUTH_TYPES[ctx.signature.form],
    request.host || '-',
    ctx.tlsVersion === undefined ? '-' : `TLSv${ctx.tlsVersion}`,
    '-',
    '-',
  ];
  return { at: startedAt, rest: fields.join(' ') };
}
