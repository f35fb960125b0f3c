"""Retraining at set times, as recurring runs of Kubeflow Pipelines."""
