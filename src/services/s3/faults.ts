/** S3's errors in S3's words. Those that the SDK models are thrown as `fault(sdk.NoSuchKey, ...)`. Source: S3 API reference, "Error responses". */
import * as sdk from '@aws-sdk/client-s3';
import { Fault, fault } from '../../kernel/fault.ts';

/** An error that the SDK has no class for. */
export function s3Fault(code: string, status: number, message: string, members?: Record<string, unknown>): Fault {
  return new Fault(code, message, { status, ...(members === undefined ? {} : { members }) });
}

export function invalidUri(): Fault {
  return s3Fault('InvalidURI', 400, "Couldn't parse the specified URI.");
}

export function keyTooLong(size: number, max: number): Fault {
  return s3Fault('KeyTooLongError', 400, 'Your key is too long', { Size: size, MaxSizeAllowed: max });
}

export function noSuchBucket(bucket: string): Fault {
  return fault(sdk.NoSuchBucket, 'The specified bucket does not exist', { BucketName: bucket });
}

export function noSuchKey(key: string): Fault {
  return fault(sdk.NoSuchKey, 'The specified key does not exist.', { Key: key });
}

export function noSuchVersion(key: string, versionId: string): Fault {
  return s3Fault('NoSuchVersion', 404, 'The specified version does not exist.', { Key: key, VersionId: versionId });
}

export function noSuchUpload(uploadId: string): Fault {
  return fault(
    sdk.NoSuchUpload,
    'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
    { UploadId: uploadId },
  );
}

export function invalidArgument(message: string, name?: string, value?: unknown): Fault {
  return s3Fault(
    'InvalidArgument',
    400,
    message,
    name === undefined ? undefined : { ArgumentName: name, ArgumentValue: value ?? '' },
  );
}

export function invalidRequest(message: string): Fault {
  return s3Fault('InvalidRequest', 400, message);
}

export function malformedXml(): Fault {
  return s3Fault(
    'MalformedXML',
    400,
    'The XML you provided was not well-formed or did not validate against our published schema',
  );
}

export function methodNotAllowed(method: string, resourceType: string): Fault {
  return s3Fault('MethodNotAllowed', 405, 'The specified method is not allowed against this resource.', {
    Method: method,
    ResourceType: resourceType,
  });
}

/** A header or setting that would change what happens and that Slipway does not know how to honour. */
export function unsupported(what: string): Fault {
  return s3Fault('NotImplemented', 501, `${what} is not implemented by Slipway.`);
}

/** No bucket here has Object Lock, so nothing can be locked. */
export function noObjectLock(): Fault {
  return invalidRequest('Bucket is missing Object Lock Configuration');
}

export function preconditionFailed(condition: string): Fault {
  return s3Fault('PreconditionFailed', 412, 'At least one of the pre-conditions you specified did not hold', {
    Condition: condition,
  });
}

export function badDigest(what: string): Fault {
  return s3Fault('BadDigest', 400, `The ${what} you specified did not match the calculated checksum.`);
}

export function entityTooLarge(size: number | undefined, max: number): Fault {
  return s3Fault('EntityTooLarge', 400, 'Your proposed upload exceeds the maximum allowed size', {
    ...(size === undefined ? {} : { ProposedSize: size }),
    MaxSizeAllowed: max,
  });
}
