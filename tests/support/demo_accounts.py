"""The one password of every account in the tests' demo world."""

PASSWORD = "correct-horse-battery"
