"""The fault bench: real processes, real payloads, one fault after another, and an oracle to compare with."""
