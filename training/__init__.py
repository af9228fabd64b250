"""From accepted turns to a compact dataset, a LoRA, and a measured before and after."""
