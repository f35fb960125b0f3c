"""Records how a retraining ended, and tells a webhook."""
