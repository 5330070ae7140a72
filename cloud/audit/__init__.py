"""The audit chain: what must never be changed unseen, one line after the other, each holding the line before."""
