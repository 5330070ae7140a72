"""The registry's front door: devices, edges, what edges say, and what goes down to each edge.

The rooms behind it are the only writers of these tables: `devices` (registered, changed, removed), `gateways` (edges
and their heartbeats), `reports` (device health, rejections, decisions carried out), `found` (addresses registered
nowhere), `downlink` (what edges are told). Other domains import from here.
"""

from cloud.registry.devices import (
    Addressed,
    NewDevice,
    addressed,
    change,
    device_json,
    device_out,
    faults_of,
    find_devices,
    make_secret,
    register,
    register_all,
    remove,
    renew_credential,
    set_rules,
    standing,
)
from cloud.registry.downlink import (
    document,
    edge_ids,
    exercise_clock,
    is_issued,
    push_drill,
    put_timeline,
    revision,
    send_decision,
)
from cloud.registry.found import fault_of as fault_of_found
from cloud.registry.found import record as record_found
from cloud.registry.gateways import add_edge, announce_edge, edge_out, lose_edges, record_edge_report, renew_edge_token
from cloud.registry.reports import (
    REJECTION_LIMIT,
    prune_rejections,
    record_decision_report,
    record_device_reports,
    record_rejection,
)

__all__ = [
    "REJECTION_LIMIT",
    "Addressed",
    "NewDevice",
    "add_edge",
    "addressed",
    "announce_edge",
    "change",
    "device_json",
    "device_out",
    "document",
    "edge_ids",
    "edge_out",
    "exercise_clock",
    "fault_of_found",
    "faults_of",
    "find_devices",
    "is_issued",
    "lose_edges",
    "make_secret",
    "prune_rejections",
    "push_drill",
    "put_timeline",
    "record_decision_report",
    "record_device_reports",
    "record_edge_report",
    "record_found",
    "record_rejection",
    "register",
    "register_all",
    "remove",
    "renew_credential",
    "renew_edge_token",
    "revision",
    "send_decision",
    "set_rules",
    "standing",
]
