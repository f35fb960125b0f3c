"""Bytes from files, the web, buckets and package registries, checked and unpacked."""
