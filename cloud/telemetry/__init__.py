"""Readings in DuckDB and their down-sampled history."""
