"""The same work as a TFX DAG."""
