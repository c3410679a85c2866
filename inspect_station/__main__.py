"""`python -m inspect_station`: the command line."""

from inspect_station.cli import main

main()
