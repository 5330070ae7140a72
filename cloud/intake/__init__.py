"""Edge batches in: every item judged alone, committed together, answered after the commit."""
