/** Name of the reconciler that rotates keys, erases deleted ones and expired material. Its keys are key ARNs. */
export const LIFECYCLE = 'kms.lifecycle';
