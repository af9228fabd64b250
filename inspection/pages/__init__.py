"""Pages about runs for a browser: made on the server, read-only, with nothing from elsewhere."""
