import assert from 'node:assert/strict';
import type { IAM } from '@aws-sdk/client-iam';
import { BASE32 } from '../../../kernel/ids.ts';

/** Reads Base32 (RFC 4648) without padding, as an authenticator app does. */
export function fromBase32(text: string): Buffer {
  const bits = [...text].map((char) => BASE32.indexOf(char).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
}

/** Makes a virtual device, and keeps its seed as an authenticator app does. */
export async function newDevice(iam: IAM, name: string): Promise<{ serial: string; seed: Buffer; png: Uint8Array }> {
  const { VirtualMFADevice: device } = await iam.createVirtualMFADevice({ VirtualMFADeviceName: name });
  const text = Buffer.from(device!.Base32StringSeed!).toString();
  assert.match(text, /^[A-Z2-7]{64}$/);
  return { serial: device!.SerialNumber!, seed: fromBase32(text), png: device!.QRCodePNG! };
}
