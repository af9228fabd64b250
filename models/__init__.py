"""How any model is asked: by name, through one path of calls, within a budget and rate limits."""
