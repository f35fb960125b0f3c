"""Lets a dialogue pass, or refuses it with the reasons."""
