"""Measurements of bertworks against what a user would pick instead: same rows, one run, paired."""
