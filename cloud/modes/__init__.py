"""平时 / 应急: an area in emergency mode, by a recorded decision with an end – thresholds, staffing, who is told."""
