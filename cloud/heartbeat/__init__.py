"""A heartbeat to an outward address, sent when a synthetic alert has passed intake, dispatch and outbox."""
