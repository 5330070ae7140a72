"""Judgement, pure and vectorised: quality tests, rule kinds, the engine that steps them, alarm facts and states.

No I/O and no clock: the edge runs it live, backtests and previews run the very same code over recorded columns.
"""
