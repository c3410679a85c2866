"""A ready station in a folder: sellers, products, RMAs, a simulated camera and printer, and a sheet to scan from."""
