"""Learns the policy of a dialogue with simulated users."""
