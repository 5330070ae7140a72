"""Where messages come from: topics and envelopes of network servers and other conventions, as data."""
