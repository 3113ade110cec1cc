"""File layers that fail on purpose: at one call, with an error of the operating system or as if the process died."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tradeexecutor.state.files.syscalls import FileLayer

#: Every system call of the layer.
CALLS = [name for name in vars(FileLayer) if not name.startswith("_")]


class Crash(BaseException):
    """The process dies here; no handler of the program does anything that reaches the disk any more."""


#: Called before each call with its number, from 0, and its name; raises to make the call fail.
Fault = Callable[[int, str], None]


class FaultyFiles(FileLayer):
    """The operating system, with a fault.

    Attributes
    ----------
    calls
        Names of the calls so far, the failed one included.
    half_of_write
        Let a call of `write` that fails write half of the bytes first.
    """

    def __init__(self, fault: Fault = lambda number, name: None, half_of_write: bool = False):
        self.fault = fault
        self.calls: list[str] = []
        self.half_of_write = half_of_write
        self.is_dead = False
        self._open: set[int] = set()

    def _call(self, name: str, *arguments: Any) -> Any:
        if self.is_dead:
            raise Crash
        number = len(self.calls)
        self.calls.append(name)
        original: Any = getattr(super(), name)
        try:
            self.fault(number, name)
        except BaseException as error:
            if name == "write" and self.half_of_write:
                original(arguments[0], arguments[1][: len(arguments[1]) // 2])
            if isinstance(error, Crash):
                self._die()
            raise
        result = original(*arguments)
        if name == "create":
            self._open.add(result)
        elif name == "close":
            self._open.discard(arguments[0])
        return result

    def _die(self) -> None:
        self.is_dead = True
        for descriptor in self._open:
            os.close(descriptor)

    def create(self, path: Path, mode: int) -> int:
        return self._call("create", path, mode)

    def write(self, descriptor: int, content: memoryview) -> int:
        return self._call("write", descriptor, content)

    def set_mode(self, descriptor: int, mode: int) -> None:
        self._call("set_mode", descriptor, mode)

    def set_owner(self, descriptor: int, user: int, group: int) -> None:
        self._call("set_owner", descriptor, user, group)

    def flush(self, descriptor: int) -> None:
        self._call("flush", descriptor)

    def close(self, descriptor: int) -> None:
        self._call("close", descriptor)

    def rename(self, source: Path, target: Path) -> None:
        self._call("rename", source, target)

    def link(self, source: Path, target: Path) -> None:
        self._call("link", source, target)

    def unlink(self, path: Path) -> None:
        self._call("unlink", path)

    def make_folder(self, path: Path) -> None:
        self._call("make_folder", path)

    def flush_folder(self, path: Path) -> None:
        self._call("flush_folder", path)


class ShortWrites(FileLayer):
    """Writes a few bytes at a time, as a full disk, a signal or a network file system may."""

    def write(self, descriptor: int, content: memoryview) -> int:
        return super().write(descriptor, content[:100])


def fail_at(number: int, error: BaseException) -> Fault:
    """A fault at one call."""

    def fault(at: int, name: str) -> None:
        if at == number:
            raise error

    return fault


def fail_always(code: int, *names: str) -> Fault:
    """The error of the operating system at every call of these names, of all names when none is given."""

    def fault(at: int, name: str) -> None:
        if not names or name in names:
            raise OSError(code, os.strerror(code))

    return fault
