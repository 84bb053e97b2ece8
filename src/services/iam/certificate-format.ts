import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+?-----END CERTIFICATE-----/g;

/** The certificates of a PEM text that holds nothing else; undefined where it is not such a text. */
export function readCertificates(pem: string): X509Certificate[] | undefined {
  const blocks = pem.match(PEM_BLOCK) ?? [];
  if (blocks.length === 0 || pem.replace(PEM_BLOCK, '').trim() !== '') return undefined;
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}

/** An unencrypted private key in PEM. */
export function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** Whether each certificate of the chain has signed the one before it. */
export function isChain(certificate: X509Certificate, chain: readonly X509Certificate[]): boolean {
  return [certificate, ...chain].every((one, index) => {
    const issuer = chain[index];
    return issuer === undefined || (one.checkIssued(issuer) && one.verify(issuer.publicKey));
  });
}

/** Epoch milliseconds. */
export function endOf(certificate: X509Certificate): number {
  return certificate.validToDate.getTime();
}

/**
 * Whether a certificate counts at a time (epoch milliseconds): those that are over, or not begun, cannot be uploaded.
 * Source: IAM User Guide, "Manage server certificates in IAM".
 */
export function isValidAt(certificate: X509Certificate, at: number): boolean {
  return certificate.validFromDate.getTime() <= at && at < endOf(certificate);
}
