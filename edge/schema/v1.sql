-- The journal of one edge: what survives a kill of the agent. Every past version of this file is kept.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- State rows of the rules' engine, opaque here.
CREATE TABLE engine_state (key TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;

-- The newest record of each alarm.
CREATE TABLE alarm (alarm_id TEXT PRIMARY KEY, record BLOB NOT NULL) WITHOUT ROWID;

-- Keys of accepted messages, one row a batch, so that what comes again is known.
CREATE TABLE accepted (batch INTEGER PRIMARY KEY, keys BLOB NOT NULL);

-- What the cloud has not committed yet. `lane` 0 alarm, 1 state, 2 telemetry. `replaces`: a newer one takes its place.
CREATE TABLE outgoing (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  lane INTEGER NOT NULL,
  type TEXT NOT NULL,
  exercise TEXT,
  replaces TEXT UNIQUE,
  born_ms INTEGER NOT NULL,
  urgent INTEGER NOT NULL DEFAULT 0,
  items INTEGER NOT NULL DEFAULT 1,
  data BLOB NOT NULL
);
CREATE INDEX outgoing_by_lane ON outgoing (lane, position);

-- What the cloud refused for good, kept to be looked at.
CREATE TABLE set_aside (id TEXT PRIMARY KEY, type TEXT NOT NULL, reason TEXT NOT NULL, at_ms INTEGER NOT NULL, data BLOB NOT NULL);

-- Losses of a full lane: never silent.
CREATE TABLE loss (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  lane INTEGER NOT NULL, events INTEGER NOT NULL, items INTEGER NOT NULL,
  first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, reason TEXT NOT NULL
);

-- People's decisions that were carried out (or not): each once.
CREATE TABLE decision (id TEXT PRIMARY KEY, result TEXT NOT NULL, at_ms INTEGER NOT NULL, forget_ms INTEGER NOT NULL) WITHOUT ROWID;

-- Urgent alerts that the edge made known by its own means.
CREATE TABLE local_notice (alert TEXT PRIMARY KEY, at_ms INTEGER NOT NULL, outcome TEXT NOT NULL) WITHOUT ROWID;
