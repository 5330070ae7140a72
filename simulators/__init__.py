"""Worlds, sensors, faults, fleets and replays: they speak as devices do (MQTT) and as people do (HTTP)."""
