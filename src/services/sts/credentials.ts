import type * as sdk from '@aws-sdk/client-sts';
import type { SessionDraft } from '../../kernel/auth/identity.ts';
import type { Context } from '../../kernel/context.ts';

/** Makes temporary credentials, in the form in which all of STS answers them. */
export async function openCredentials(draft: SessionDraft, ctx: Context): Promise<sdk.Credentials> {
  const credentials = await ctx.identity.openSession(draft, ctx);
  return {
    AccessKeyId: credentials.accessKeyId,
    SecretAccessKey: credentials.secretAccessKey,
    SessionToken: credentials.sessionToken,
    Expiration: new Date(credentials.expiresAt),
  };
}
