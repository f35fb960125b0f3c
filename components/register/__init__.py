"""Puts a bundle that passed its gates into the model store and makes it the champion."""
