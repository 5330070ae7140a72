"""Months of many devices at once, as columns with truth: what benches, previews and backtests are fed with.

`smoke.months`, `underpass.storms`, `underpass.season`, `river.season`, `street.months`, `facade.months` give
`Recording`s; `faults.inject` spoils one and says where. Seeded: the same plan gives the same recording to the bit.
"""
