"""A returns-inspection station for a warehouse dock."""
