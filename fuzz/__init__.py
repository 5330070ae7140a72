"""Fuzzing with atheris, beside the property tests that run in every `make test`."""
