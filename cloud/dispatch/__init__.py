"""Who goes: proposals with reasons, assignments, time limits that escalate up the responsibility tree."""
