"""What the edge takes and what it costs, beside subscribers that only acknowledge; `__main__` says how."""
