"""The lake: Parquet tables with an SQL catalog, written by one job at a time."""
