"""`python -m inspect_station.cli`."""

from inspect_station.cli import main

main()
