"""The screens of the station: keys and scans in, one frozen value painted."""
