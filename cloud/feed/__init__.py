"""The feed log: what everyone wants to know, in commit order, resumable."""
