"""How payloads become values: one module a kind of frame, and what they share."""
