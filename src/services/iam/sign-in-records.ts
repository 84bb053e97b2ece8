import type { RecordedEvent } from '../../kernel/context.ts';

/** A sign-in as CloudTrail shows it. Source: CloudTrail User Guide, "AWS Management Console sign-in events". */
export function signInRecord(signIn: {
  outcome: 'Success' | 'Failure';
  mfaUsed: boolean;
  errorMessage?: string;
}): RecordedEvent {
  const { outcome, mfaUsed, errorMessage } = signIn;
  return {
    eventSource: 'signin.amazonaws.com',
    eventName: 'ConsoleLogin',
    eventType: 'AwsConsoleSignIn',
    readOnly: false,
    resources: [],
    responseElements: { ConsoleLogin: outcome },
    additionalEventData: { MobileVersion: 'No', MFAUsed: mfaUsed ? 'Yes' : 'No' },
    ...(errorMessage === undefined ? {} : { errorMessage }),
  };
}
