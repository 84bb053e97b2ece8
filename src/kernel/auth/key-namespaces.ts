/** Namespaces of condition keys by which trust policies decide. */
const RESERVED: ReadonlySet<string> = new Set(['aws', 'iam', 'saml', 'sts']);

/**
 * Whether the claims of an identity provider of that name, which are condition keys under it, would be taken for what only
 * the server itself says: a provider `https://aws` could tell its bearers' `aws:PrincipalAccount`.
 * @param name the provider's URL without its scheme
 */
export function isReservedNamespace(name: string): boolean {
  return RESERVED.has(name.toLowerCase());
}
