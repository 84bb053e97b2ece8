/**
 * The aws command line as a program for python3: it speaks to AWS_ENDPOINT_URL, also where the installed version is too
 * old to know that variable (before 1.29 and 2.13).
 */
export const AWS_CLI = new URL('./aws.py', import.meta.url).pathname;
