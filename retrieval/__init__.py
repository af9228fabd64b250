"""From reference documents to the right passages: load, split, embed, store, search."""
