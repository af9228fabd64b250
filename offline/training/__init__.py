"""Programs that pre-train the nano. They are not part of an installed wheel."""
