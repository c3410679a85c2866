"""Query -> report -> text, CSV or JSON."""
