"""What the agent counts, by stage; served on /metrics (Prometheus)."""

from prometheus_client import Counter, Gauge, Histogram

MESSAGES = Counter("shouwang_edge_messages", "MQTT messages received", ["qos"])
READINGS = Counter("shouwang_edge_readings", "Readings that entered the rules")
DROPPED = Counter("shouwang_edge_dropped", "Messages that were not taken, by reason", ["reason"])
REJECTED = Counter("shouwang_edge_rejected", "Messages or readings put into the side table, by reason", ["reason"])
ALERTS = Counter("shouwang_edge_alerts", "Alerts made, by verb", ["verb", "exercise"])
BATCHES = Counter("shouwang_edge_batches", "Group commits", ["synchronous"])
BATCH_SIZE = Histogram(
    "shouwang_edge_batch_messages", "Messages in one group commit", buckets=(1, 3, 10, 30, 100, 300, 1000)
)
COMMIT_SECONDS = Histogram(
    "shouwang_edge_commit_seconds",
    "Time of one journal transaction",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
DURABLE_SECONDS = Histogram(
    "shouwang_edge_durable_seconds",
    "From arrival of a message to its commit (the oldest message of each batch)",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
JOURNAL_FAILURES = Counter("shouwang_edge_journal_failures", "Journal transactions that failed and were tried again")
JOURNAL_EVENTS = Gauge("shouwang_edge_journal_events", "Events waiting for the cloud", ["lane"])
JOURNAL_BYTES = Gauge("shouwang_edge_journal_bytes", "Bytes of the events waiting for the cloud", ["lane"])
JOURNAL_AGE = Gauge("shouwang_edge_journal_oldest_seconds", "Age of the oldest event that waits for the cloud")
QUEUE = Gauge("shouwang_edge_queue_messages", "Messages received and not yet committed")
AGGREGATED = Counter("shouwang_edge_readings_aggregated", "Readings that went up as part of an aggregate")
JOURNAL_LOST = Counter("shouwang_edge_journal_lost", "Events dropped from a full lane", ["lane"])
UPLINK_BATCHES = Counter("shouwang_edge_uplink_batches", "Batches sent to the cloud, by outcome", ["outcome"])
UPLINK_EVENTS = Counter("shouwang_edge_uplink_events", "Events answered by the cloud, by verdict", ["status"])
BROKER_CONNECTED = Gauge("shouwang_edge_broker_connected", "1 while the MQTT session is up")
BROKER_CONNECTS = Counter("shouwang_edge_broker_connects", "MQTT connections, by outcome", ["outcome"])
BROKER_STARTS = Counter("shouwang_edge_broker_starts", "Starts of the embedded broker", ["how"])
CLOUD_REACHABLE = Gauge("shouwang_edge_cloud_reachable", "1 reachable, 0 away, -1 refusing")
BLIND = Gauge("shouwang_edge_blind_rules", "Rules and devices that are not judged because a parameter is missing")
UNREADABLE = Gauge("shouwang_edge_unreadable_states", "Rules whose kept state could not be read at the start")
REVISION = Gauge("shouwang_edge_configuration_revision", "Revision of the configuration that runs")
SOURCE_MESSAGES = Counter("shouwang_edge_source_messages", "Messages of other conventions", ["source", "outcome"])
FOUND = Gauge("shouwang_edge_found_devices", "Addresses that speak on a source and are registered nowhere")
LOCAL_NOTICES = Counter("shouwang_edge_local_notices", "Notices given without the cloud, by outcome", ["outcome"])
ACTIONS_ON = Gauge("shouwang_edge_actions_on", "Actions that are on", ["kind"])
ACTION_COMMANDS = Counter("shouwang_edge_action_commands", "Commands to actuators, by outcome", ["kind", "outcome"])
ALARMS = Gauge("shouwang_edge_alarms", "Real alarms that are not normal, muted ones too, by what they are", ["what"])
ALARM_FLOODS = Gauge("shouwang_edge_alarm_floods", "Alarm floods that run, by site and over the whole edge")
FLOODS_BEGUN = Counter("shouwang_edge_alarm_floods_begun", "Alarm floods that began", ["exercise"])
DECISIONS = Counter("shouwang_edge_decisions", "People's decisions, by result", ["result"])
TASK_RESTARTS = Counter("shouwang_edge_task_restarts", "Supervised tasks that had to be started again", ["task"])
