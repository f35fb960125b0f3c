"""The search for the settings of fine-tuning."""
