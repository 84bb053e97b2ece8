import { isIP } from 'node:net';
import * as sdk from '@aws-sdk/client-s3';
import { defineService } from '../../kernel/define-service.ts';
import * as accessLists from './access-lists.ts';
import { noteAccess, startAccessLog, stopAccessLog } from './access-log.ts';
import * as absences from './bucket-absences.ts';
import * as encryption from './bucket-encryption.ts';
import * as policies from './bucket-policies.ts';
import * as settings from './bucket-settings.ts';
import * as buckets from './buckets.ts';
import * as completion from './complete-multipart.ts';
import * as copies from './copy-object.ts';
import * as cors from './cors.ts';
import { answerHeaders, preflightRoute } from './cors.ts';
import * as deletions from './delete-objects.ts';
import { collector, sweeper } from './garbage.ts';
import * as reads from './get-object.ts';
import { identify } from './identify.ts';
import * as lifecycle from './lifecycle.ts';
import { lifecycleRunner } from './lifecycle.ts';
import * as listing from './listing.ts';
import * as logging from './logging.ts';
import * as multipart from './multipart.ts';
import * as multipartListing from './multipart-listing.ts';
import * as notifications from './notifications.ts';
import * as objectAbsences from './object-absences.ts';
import * as attributes from './object-attributes.ts';
import * as tagging from './object-tagging.ts';
import { postRoute } from './post-object.ts';
import * as writes from './put-object.ts';
import { migrations } from './tables.ts';
import * as versionListing from './version-listing.ts';
import { websiteRoute } from './website.ts';

/** Names under which this process is reached: a bucket's label may stand before them. */
const publicHosts = new Set<string>();

/** 10,000 parts with their checksums, or 1,000 keys of full length. */
const MAX_BODY_BYTES = 4 * 1024 * 1024;

/** S3: buckets and objects, and websites made of them. */
export const s3 = defineService({
  name: 's3',
  sdk,
  protocol: 'rest-xml',
  signingName: 's3',
  iamPrefix: 's3',
  eventSource: 's3.amazonaws.com',
  xmlNamespace: 'http://s3.amazonaws.com/doc/2006-03-01/',
  families: [
    buckets,
    policies,
    settings,
    absences,
    accessLists,
    cors,
    encryption,
    lifecycle,
    logging,
    notifications,
    objectAbsences,
    reads,
    writes,
    copies,
    deletions,
    tagging,
    attributes,
    multipart,
    completion,
    multipartListing,
    listing,
    versionListing,
  ],
  identify: (request) => identify(request, publicHosts),
  maxBodyBytes: MAX_BODY_BYTES,
  routes: [preflightRoute(publicHosts), websiteRoute(publicHosts), postRoute(publicHosts)],
  answerHeaders,
  answered: noteAccess,
  reconcilers: [collector, sweeper, lifecycleRunner],
  migrations,
  lifecycle: {
    async start(ctx) {
      const { hostname } = new URL(ctx.publicUrl);
      if (isIP(hostname.replace(/^\[|\]$/g, '')) === 0) publicHosts.add(hostname);
      startAccessLog(ctx);
    },
    stop: stopAccessLog,
  },
});
