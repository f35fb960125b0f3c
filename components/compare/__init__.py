"""Compares the sources with what the champion knows; prepares a challenger."""
