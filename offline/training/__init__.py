"""Programs that pre-train the nano. A wheel leaves them out, so nothing outside imports them."""
