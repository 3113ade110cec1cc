"""Advice for errors of the operating system during a save."""

import errno

__all__ = ["get_advice"]

_ADVICE = {
    errno.ENOSPC: "make room on the disk, then save again",
    errno.EDQUOT: "make room within the quota of this user, then save again",
    errno.EACCES: "let this user write to the folder and the files of this state in it, then save again",
    errno.EPERM: "let this user write to the folder and the files of this state in it, then save again",
    errno.EROFS: "mount the file system for writing, then save again",
    errno.ENOENT: "make the folder, then save again",
    errno.ENOTDIR: "put a folder there, then save again",
    errno.ELOOP: "make it a folder, or a link of your own, then save again",
    errno.ENOMEM: "give this process more memory, then save again",
    errno.EIO: "the disk fails: copy the folder to another one and continue there",
}


def get_advice(error: OSError) -> str:
    """Return what to do about the error."""
    return _ADVICE.get(error.errno or 0, "find out what keeps the operating system from it, then save again")
