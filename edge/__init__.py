"""The edge agent: thin I/O shells around pure parts."""
