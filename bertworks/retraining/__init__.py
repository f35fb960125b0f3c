"""Retraining: is there anything new, what is a challenger trained on, and how did it end."""
