"""Kubeflow Pipelines' API: connecting, logging in, uploading and starting."""
