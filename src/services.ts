import type { Service } from './kernel/service.ts';
import { cloudtrail } from './services/cloudtrail/service.ts';
import { cloudwatchLogs } from './services/cloudwatch-logs/service.ts';
import { codebuild } from './services/codebuild/service.ts';
import { codecommit } from './services/codecommit/service.ts';
import { codepipeline } from './services/codepipeline/service.ts';
import { eventbridge } from './services/eventbridge/service.ts';
import { iam } from './services/iam/service.ts';
import { kms } from './services/kms/service.ts';
import { s3 } from './services/s3/service.ts';
import { sts } from './services/sts/service.ts';

/** Every service of an installation: the one list. */
export const services: readonly Service[] = [
  iam,
  sts,
  cloudtrail,
  cloudwatchLogs,
  codebuild,
  codecommit,
  codepipeline,
  eventbridge,
  kms,
  s3,
];
