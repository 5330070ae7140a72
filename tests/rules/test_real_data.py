"""The rules, as they come, on fires and floods that others recorded."""

import csv
from datetime import datetime

import numpy as np
import pytest
from recorded_fires import FIRES, PADDING_S, stations, stream
from recorded_judgement import judge_meter, judge_station, judge_stream

from wire.alert import Verb
from wire.level import Level
from wire.time import to_datetime

pytestmark = pytest.mark.realdata


@pytest.mark.parametrize("fire", FIRES)
def test_every_station_where_alarms_sounded_and_smoke_came_gets_an_alert_and_the_quiet_stays_quiet(data_dir, fire):
    judged = 0
    for station in stations(data_dir, fire):
        outcome = judge_station(station)
        assert not outcome.in_quiet, f"{fire} {station.station}"
        if station.judged:
            judged += 1
            assert outcome.alert_s is not None, f"{fire} {station.station}"
            assert outcome.urgent_s is not None, f"{fire} {station.station}"
    assert judged >= 4


def test_the_median_alert_is_no_later_than_the_last_real_alarm_of_its_station(data_dir):
    outcomes = [judge_station(station) for fire in FIRES for station in stations(data_dir, fire) if station.judged]
    assert len(outcomes) == 18
    later_than_last = [outcome.alert_s - outcome.station.sounded_s[-1] for outcome in outcomes]
    assert np.median(later_than_last) <= 0
    assert sum(late > 0 for late in later_than_last) <= 1


def test_a_meter_that_never_moved_says_nothing_of_smoke(data_dir):
    dead = next(station for station in stations(data_dir, "SDC38") if station.station == "A")
    assert not dead.moved
    assert [change for meter in dead.meters for change in judge_meter(meter) if change.rule == "smoke"] == []


def test_the_padding_is_quiet_and_long(data_dir):
    for fire in FIRES:
        for station in stations(data_dir, fire):
            for meter in station.meters:
                quiet = meter.ts < meter.ignition_ms
                assert (meter.ts[quiet][-1] - meter.ts[0]) / 1000 > PADDING_S - 10
                assert np.diff(meter.ts).min() > 0


def test_sligo_creek_crosses_its_action_level_exactly_once_at_the_true_time(data_dir):
    with (data_dir / "water" / "usgs_threshold_truth.csv").open(newline="") as file:
        truth = [row for row in csv.DictReader(file) if row["usgs_id"] == "01650800" and row["level"] == "action"]
    changes = [change for change in judge_stream(stream(data_dir, "01650800")) if change.rule == "water_depth"]
    raised = [change for change in changes if change.verb is Verb.RAISED]
    assert len(raised) == len(truth) == 1
    assert to_datetime(raised[0].opened_at) == datetime.fromisoformat(truth[0]["start"])
    cleared = [change for change in changes if change.verb is Verb.CLEARED]
    assert len(cleared) == 1
    assert to_datetime(cleared[0].at) > datetime.fromisoformat(truth[0]["end"])


def test_dead_run_never_reaches_its_action_level_but_its_rise_of_the_eleventh_of_may_is_told(data_dir):
    changes = judge_stream(stream(data_dir, "01589330"))
    assert [change for change in changes if change.rule == "water_depth"] == []
    rises = [change for change in changes if change.rule == "water_rise" and change.verb is Verb.RAISED]
    of_the_day = [change for change in rises if to_datetime(change.opened_at).date().isoformat() == "2019-05-11"]
    assert len(of_the_day) == 1
    assert to_datetime(of_the_day[0].opened_at).isoformat() < "2019-05-11T02:15:00+00:00"
    worst = [change.level for change in changes if change.opened_at == of_the_day[0].opened_at and change.level]
    assert Level.II in worst
    assert len(rises) < 10, "a rate rule that fires at every ripple would prove nothing"
