import * as sdk from '@aws-sdk/client-kms';
import { type Fault, fault } from '../../kernel/fault.ts';

/** A marker that no list of this caller gave. */
export function invalidMarker(): Fault {
  return fault(sdk.InvalidMarkerException, 'Invalid marker: it does not belong to this list.');
}
