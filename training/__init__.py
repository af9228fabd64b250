"""Training: compact datasets, a LoRA on them, classifiers, and measures before and after."""
