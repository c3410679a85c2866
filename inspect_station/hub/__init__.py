"""The hub: takes in what the stations send, once, and tells them what is announced.

What the command line needs of it is here; `app.create_app` is the HTTP side, `ledger` the memory, `photos` the
pictures.
"""

from inspect_station.hub.admin import (
    TENANT,
    Hub,
    add_station,
    add_supervisor,
    backup,
    begin_epoch,
    count_missing,
    epoch,
    exists,
    load,
    parked,
    parked_line,
    photos_missing,
    publish,
    restore,
    revoke,
    rotate,
    serve,
    settle,
    stations,
    tokens,
)

__all__ = [
    "TENANT",
    "Hub",
    "add_station",
    "add_supervisor",
    "backup",
    "begin_epoch",
    "count_missing",
    "epoch",
    "exists",
    "load",
    "parked",
    "parked_line",
    "photos_missing",
    "publish",
    "restore",
    "revoke",
    "rotate",
    "serve",
    "settle",
    "stations",
    "tokens",
]
