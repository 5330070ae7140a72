-- How far the readings of a row were thinned because the lane was full: 0 not at all, then the steps of edge/thinning.py.
ALTER TABLE outgoing ADD COLUMN thinned INTEGER NOT NULL DEFAULT 0;
