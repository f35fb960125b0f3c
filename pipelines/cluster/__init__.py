"""The same DAG on Kubeflow Pipelines: connection, submit, schedule, inspect, deploy."""
