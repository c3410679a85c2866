"""What can go wrong, as values with a title and a way out; one class per decision that a catcher makes."""

import errno
from collections.abc import Iterator, Mapping
from enum import IntEnum

from inspect_station.message import Message, msg


class Exit(IntEnum):
    """Exit codes of the command line (a contract: see the README)."""

    OK = 0
    SOME_FAILED = 1
    """Some rows or files failed; the others were done."""
    USAGE = 2
    NOT_FOUND = 3
    """Not found, or ambiguous: nothing was done."""
    BROKEN = 4
    """The store or the configuration cannot be used."""


class StationError(Exception):
    """Something a person must hear: what happened (with the value), and what to do next."""

    exit_code = Exit.SOME_FAILED

    def __init__(self, title: Message, hint: Message) -> None:
        super().__init__(str(title))
        self.title = title
        self.hint = hint


class ConfigError(StationError):
    """station.toml cannot be used as it stands."""

    exit_code = Exit.BROKEN


class StoreError(StationError):
    """The store cannot be opened, read or written."""

    exit_code = Exit.BROKEN


class StoreLocked(StoreError):
    """Another process holds the store: wait, or close that process."""


class Undone(StoreLocked):
    """The database took the whole step back because of another one: done again, it may well succeed."""


class DiskFull(StoreError):
    """The store could not grow; nothing that was confirmed is lost."""


class NotFound(StationError):
    """Nothing, or more than one thing, answers to what was asked."""

    exit_code = Exit.NOT_FOUND


class NotAllowed(StationError):
    """A rule of the house forbids it: a gate, the ownership gate, a role."""

    exit_code = Exit.USAGE


class DeviceError(StationError):
    """A camera, printer or scanner does not answer; work goes on without it."""


class PrintUnknown(DeviceError):
    """The printer may or may not have printed: never repeated without a person."""


class UpstreamError(StationError):
    """The hub did not take it; everything stays here and is sent later."""


# ── Why somebody was not reached ─────────────────────────────────────────────────────────────────────────────────────

_REFUSED = msg("the connection is refused")
_NO_HOST = msg("no host of this name is found")
_NO_WAY = msg("the network does not lead there")
_SLOW = msg("no answer in time")
_BROKE = msg("the connection broke")
_UNTRUSTED = msg("its certificate is not trusted")
_NO_TLS = msg("no TLS connection comes about")
_NUMBERS: Mapping[int, Message] = {
    errno.ECONNREFUSED: _REFUSED,
    errno.ENETDOWN: _NO_WAY,
    errno.ENETUNREACH: _NO_WAY,
    errno.EHOSTDOWN: _NO_WAY,
    errno.EHOSTUNREACH: _NO_WAY,
    errno.ECONNRESET: _BROKE,
    errno.ECONNABORTED: _BROKE,
    errno.EPIPE: _BROKE,
}


def unreached(error: BaseException) -> str:
    """Why nobody was reached over the network, as a msgid for ``{x:word}``; empty where the cause is another one.

    Libraries wrap what the system says in errors of their own, whose text is nobody's language.
    """
    import socket
    import ssl

    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return _UNTRUSTED.text
            case ssl.SSLError():
                return _NO_TLS.text
            case socket.gaierror():
                return _NO_HOST.text
            case TimeoutError():
                return _SLOW.text
            case OSError(errno=int(number)) if number > 0:
                return _NUMBERS[number].text if number in _NUMBERS else ""
    return ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
