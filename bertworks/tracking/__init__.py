"""A run's numbers as tracking servers take them: curves, and a client of MLflow's."""
