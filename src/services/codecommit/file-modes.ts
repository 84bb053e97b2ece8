import type * as sdk from '@aws-sdk/client-codecommit';

/** A file mode of git in AWS's words. Old histories hold 100664 and the like, which are plain files. */
export function fileModeOf(mode: string): sdk.FileModeTypeEnum {
  if (mode === '120000') return 'SYMLINK';
  return mode === '100755' ? 'EXECUTABLE' : 'NORMAL';
}

const GIT_MODES: Readonly<Record<sdk.FileModeTypeEnum, string>> = {
  EXECUTABLE: '100755',
  NORMAL: '100644',
  SYMLINK: '120000',
};

/** A file mode in git's words. */
export function gitMode(mode: sdk.FileModeTypeEnum): string {
  return GIT_MODES[mode];
}

/** True for the entry of a submodule, which is a commit of another repository. */
export function isSubmodule(mode: string): boolean {
  return mode === '160000';
}
