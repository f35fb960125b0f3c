"""Lets a compressed bundle pass, or refuses it with the reasons."""
