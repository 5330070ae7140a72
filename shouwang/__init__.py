"""The command line and the one-machine demo: composes everything below."""

__version__ = "0.1.0"
