"""The hub: takes in what the stations send, once, and tells them what is announced.

What the command line needs of it is here; `app.create_app` is the HTTP side, `ledger` the memory.
"""

from inspect_station.hub.admin import Hub, add_station, begin_epoch, epoch, load, parked, publish, serve

__all__ = ["Hub", "add_station", "begin_epoch", "epoch", "load", "parked", "publish", "serve"]
