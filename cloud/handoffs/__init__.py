"""Calls on services outside (119, 120, 110, power, gas, traffic police, drainage): what to read aloud, what came of it.

Nothing in here dials. A person calls, and writes down who answered; the incident stays owned by its desk throughout.
"""
