"""Exercises: scenarios as data, their clock, their injects and their scores."""
