import type { Service } from './kernel/service.ts';
import { cloudtrail } from './services/cloudtrail/service.ts';
import { iam } from './services/iam/service.ts';

/** Every service of an installation: the one list. */
export const services: readonly Service[] = [iam, cloudtrail];
