"""What customers dispute: rules and records, pure; no files, no clock, no network, no framework."""
