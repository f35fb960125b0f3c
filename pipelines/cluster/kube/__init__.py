"""The Kubernetes API: who we are there, and a port-forward."""
