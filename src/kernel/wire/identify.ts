import type { ErrorStyle } from '../auth/auth-faults.ts';
import { peekScope } from '../auth/sigv4.ts';
import type { Fault } from '../fault.ts';
import type { Service } from '../service.ts';
import { commonFault } from './errors.ts';
import type { HttpRequest } from './http.ts';

/** Whom a request is for. The operation is known at once except for Query requests, which name it in the body. */
export interface Target {
  service: Service;
  operation?: string;
}

/** The services of an installation, indexed by what requests name them with. */
export class ServiceIndex {
  readonly #byTarget = new Map<string, Service>();
  readonly #bySigningName = new Map<string, Service[]>();
  readonly #anonymous: Service | undefined;
  /** The Query service with operations that take unsigned calls. */
  readonly #unsignedForms: Service | undefined;

  constructor(services: Iterable<Service>) {
    for (const service of services) {
      if (service.targetPrefix !== undefined) this.#byTarget.set(service.targetPrefix, service);
      const same = this.#bySigningName.get(service.signingName);
      if (same === undefined) this.#bySigningName.set(service.signingName, [service]);
      else same.push(service);
    }
    const forms = [...this.#bySigningName.values()].flat();
    this.#unsignedForms = forms.find((one) => one.protocol === 'query' && one.takesUnsigned);
    this.#anonymous = this.#bySigningName.get('s3')?.[0];
  }

  /**
   * Finds the service by `X-Amz-Target`, else by the credential scope of the signature; an unsigned request that names
   * nothing is one to S3, the only API with anonymous callers, and an unsigned form one to STS, some of whose operations
   * take proofs of another kind.
   */
  find(request: HttpRequest): Target {
    const target = request.headers['x-amz-target'];
    const scope = peekScope(request);
    if (target !== undefined) return this.#byTargetHeader(target, scope?.service);
    if (scope === undefined) {
      const service = isForm(request) ? this.#unsignedForms : this.#anonymous;
      if (service !== undefined) return { service };
      throw commonFault('MissingAuthenticationToken', 'Missing Authentication Token');
    }
    const candidates = this.#bySigningName.get(scope.service) ?? [];
    const service = candidates.find((one) => (one.protocol === 'query') === isForm(request)) ?? candidates[0];
    if (service === undefined) throw notThere(scope.service);
    return { service };
  }

  #byTargetHeader(target: string, signingName: string | undefined): Target {
    const dot = target.lastIndexOf('.');
    // Some clients write the shape's namespace before it: `com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101`.
    const prefix = target.slice(0, Math.max(dot, 0));
    const service = this.#byTarget.get(prefix.slice(prefix.lastIndexOf('.') + 1));
    if (service === undefined) {
      if (signingName !== undefined && !this.#bySigningName.has(signingName)) throw notThere(signingName);
      throw commonFault('InvalidAction', `The target ${clip(target)} is not known.`);
    }
    return { service, operation: target.slice(dot + 1) };
  }
}

/** The style in which a request is answered that names no service: as its sender will most likely understand. */
export function styleOf(request: HttpRequest): ErrorStyle {
  if (request.headers['x-amz-target'] !== undefined) return 'json';
  if (isForm(request)) return 'query';
  if (request.headers['content-type']?.startsWith('application/json')) return 'rest-json';
  // Services that speak XML without forms are few beside those whose plain requests want JSON (Lambda, EKS, API Gateway).
  const scope = peekScope(request);
  return scope === undefined || scope.service === 's3' ? 's3' : 'rest-json';
}

function notThere(signingName: string): Fault {
  return commonFault('NotImplemented', `The service ${clip(signingName)} is not implemented by Slipway.`);
}

function isForm(request: HttpRequest): boolean {
  const type = request.headers['content-type'];
  return type?.startsWith('application/x-www-form-urlencoded') === true || /(^|&)Action=/.test(request.query);
}

function clip(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}
