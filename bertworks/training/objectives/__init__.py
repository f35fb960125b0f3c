"""What is trained: fine-tuning, masked words, distillation."""
