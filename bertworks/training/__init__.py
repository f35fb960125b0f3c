"""Training: the loop, its optimizer, schedules and checkpoints; fine-tuning and pretraining."""
