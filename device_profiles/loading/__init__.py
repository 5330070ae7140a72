"""From a YAML file to a checked profile, with every problem told at once."""
