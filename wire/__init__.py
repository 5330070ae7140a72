"""What the parts of Shouwang say to each other: readings, alerts, levels, quality flags, topics, time.

The lowest floor: pure data and codecs, no I/O, importing nothing of the project.
"""
