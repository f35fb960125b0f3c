"""Puts a dialogue that passed its gates into the model store and makes it the champion."""
