"""The steps of the DAG: one folder each, callable without kfp."""
