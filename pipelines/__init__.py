"""The DAGs, the runners that run them, and the command line."""
