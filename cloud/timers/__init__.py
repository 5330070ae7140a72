"""The one mechanism for whatever falls due: rows with a due time, claimed by any worker that is alive."""
