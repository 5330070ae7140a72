"""What the desk does with incidents besides sending people: merge, split, levels, measures, plans, attachments."""
