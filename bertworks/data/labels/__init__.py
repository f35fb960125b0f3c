"""What stands in label and tag cells, cleaned and named."""
