"""The tune step."""
