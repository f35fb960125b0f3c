"""Bytes from registries, files and buckets; rows from csv, jsonl, parquet, conll and lines."""
