import type * as sdk from '@aws-sdk/client-s3';
import { invalidArgument, malformedXml, s3Fault } from './faults.ts';

const MAX_RULES = 50;

/** Holds a website configuration against S3's rules. @throws InvalidArgument, InvalidRequest, MalformedXML */
export function checkWebsite(website: sdk.WebsiteConfiguration): void {
  const { RedirectAllRequestsTo: all, IndexDocument: index, ErrorDocument: error, RoutingRules: rules = [] } = website;
  if (all !== undefined) {
    if (index !== undefined || error !== undefined || rules.length > 0) throw malformedXml();
    if (!all.HostName) throw malformedXml();
    checkProtocol(all.Protocol);
    return;
  }
  const suffix = index?.Suffix;
  if (suffix === undefined || suffix === '') {
    throw invalidArgument(
      'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
      'IndexDocument',
    );
  }
  if (suffix.includes('/'))
    throw invalidArgument('The IndexDocument Suffix is not well formed', 'IndexDocument', suffix);
  if (error !== undefined && !error.Key)
    throw invalidArgument('The ErrorDocument Key is not well formed', 'ErrorDocument');
  if (rules.length > MAX_RULES) {
    throw s3Fault(
      'InvalidRequest',
      400,
      `${rules.length} routing rules provided, the number of routing rules in a website configuration is limited to ${MAX_RULES}.`,
    );
  }
  for (const rule of rules) checkRule(rule);
}

function checkRule({ Condition: condition, Redirect: redirect }: sdk.RoutingRule): void {
  if (redirect === undefined || Object.keys(redirect).length === 0) throw malformedXml();
  if (redirect.ReplaceKeyWith !== undefined && redirect.ReplaceKeyPrefixWith !== undefined) {
    throw s3Fault('InvalidRequest', 400, 'You can only define ReplaceKeyPrefix or ReplaceKey but not both.');
  }
  const { HttpRedirectCode: code } = redirect;
  if (code !== undefined && !/^30[1-8]$/.test(code)) {
    throw s3Fault(
      'InvalidRequest',
      400,
      `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`,
    );
  }
  checkProtocol(redirect.Protocol);
  const { HttpErrorCodeReturnedEquals: error } = condition ?? {};
  if (error !== undefined && !/^[45]\d\d$/.test(error)) {
    throw s3Fault(
      'InvalidRequest',
      400,
      `The provided HTTP error code (${error}) is not valid. Valid codes are 4XX or 5XX.`,
    );
  }
}

function checkProtocol(protocol: string | undefined): void {
  if (protocol === undefined || protocol === 'http' || protocol === 'https') return;
  throw s3Fault(
    'InvalidRequest',
    400,
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  );
}

/** Where a visitor is sent. */
export interface WebsiteRedirect {
  status: number;
  location: string;
}

/** Where the visitor came in: what a redirect without a host or protocol of its own keeps. */
export interface Entrance {
  protocol: 'http' | 'https';
  host: string;
  /** `/_website/<bucket>`, or empty where the host names the bucket. */
  base: string;
}

/** A key as the path of a URL. */
export function pathOfKey(key: string): string {
  return key.split('/').map(encodeURIComponent).join('/');
}

/** The answer of a website that sends every request elsewhere. */
export function redirectAll(to: sdk.RedirectAllRequestsTo, key: string, entrance: Entrance): WebsiteRedirect {
  return { status: 301, location: `${to.Protocol ?? entrance.protocol}://${to.HostName}/${pathOfKey(key)}` };
}

/**
 * The first routing rule that fits. @param errorStatus undefined before the object is looked up: then only rules without an
 * error code count; afterwards only those with it.
 */
export function redirectByRule(
  rules: readonly sdk.RoutingRule[] | undefined,
  key: string,
  errorStatus: number | undefined,
  entrance: Entrance,
): WebsiteRedirect | undefined {
  for (const { Condition: condition = {}, Redirect: redirect = {} } of rules ?? []) {
    const { KeyPrefixEquals: prefix, HttpErrorCodeReturnedEquals: code } = condition;
    if (prefix !== undefined && !key.startsWith(prefix)) continue;
    if (code !== (errorStatus === undefined ? undefined : String(errorStatus))) continue;
    const target =
      redirect.ReplaceKeyWith ??
      (redirect.ReplaceKeyPrefixWith === undefined
        ? key
        : `${redirect.ReplaceKeyPrefixWith}${key.slice(prefix?.length ?? 0)}`);
    // Another host serves its website at its own root.
    const base = redirect.HostName === undefined ? entrance.base : '';
    const origin = `${redirect.Protocol ?? entrance.protocol}://${redirect.HostName ?? entrance.host}`;
    return { status: Number(redirect.HttpRedirectCode ?? 301), location: `${origin}${base}/${pathOfKey(target)}` };
  }
  return undefined;
}
