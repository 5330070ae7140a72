"""How publishers of payloads name and count what the library's points hold: one table a model, every key in it.

A key of a published example that is not here fails `test_real_payloads`: somebody must say what it is in our points,
or why we do not carry it.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class In:
    """The key is this point or state; `meaning` is a factor to our unit, or what the publisher's words stand for."""

    name: str
    meaning: float | dict[Any, Any] = 1.0


@dataclass(frozen=True)
class Left:
    """We do not carry the key, and why."""

    why: str


Entry = In | Left

IDENTITY = Left("who the device is, is known from its registration")
VERSION = Left("the protocol version is checked, not carried: another one is refused as wrong_marker")
CODEC = Left("says something of the publisher's codec, not of the message")
NAMED = Left("names the model, which the profile does already")
DATE = Left("a date of the device's life; the registry keeps it")

LEAK = {"normal": 0, "leak": 1}
TILT = {"normal": 0, "tilt": 1}
THRESHOLD = {"normal": 0, "trigger": 1}
ALARM = {"Normal": 0, "No Alarm": 0, "Alarm": 1}
MAINS = {"AC Power Off": 0, "AC Power On": 1}

DECENTLAB: dict[str, Entry] = {"protocol_version": VERSION, "device_id": IDENTITY, "battery_voltage": In("voltage")}
CTD: dict[str, Entry] = DECENTLAB | {
    "water_depth": In("level", 0.001),
    "temperature": In("temperature"),
    "electrical_conductivity": In("conductivity"),
    "freezing_flag": In("freezing"),
}
PRESSURE: dict[str, Entry] = DECENTLAB | {"pressure": In("pressure", 100), "temperature": In("temperature")}
CLIMATE: dict[str, Entry] = {
    "battery": In("battery"),
    "temperature": In("temperature"),
    "humidity": In("humidity"),
    "leakage_status": In("leak", LEAK),
}
DISTANCE: dict[str, Entry] = {"battery": In("battery"), "distance": In("distance", 0.001)}
EM400: dict[str, Entry] = DISTANCE | {"temperature": In("temperature"), "position": In("tilted", TILT)}

KEYS: dict[str, dict[str, Entry]] = {
    "decentlab/dl-ctd10": CTD,
    "decentlab/dl-ctd10b": CTD,
    "decentlab/dl-dws": DECENTLAB | {"frequency": In("wire_frequency"), "weight": In("weight")},
    "decentlab/dl-isd": DECENTLAB | {"stem_size": In("position")},
    "decentlab/dl-kl66": DECENTLAB
    | {
        "counter_reading": In("counter_reading"),
        "measurement_interval": In("measurement_interval"),
        "frequency": In("wire_frequency"),
        "weight": In("weight"),
        "elongation": In("elongation"),
        "strain": In("strain"),
    },
    "decentlab/dl-lid": DECENTLAB
    | {
        "distance_average": In("distance", 0.001),
        "distance_minimum": In("distance_minimum", 0.001),
        "distance_maximum": In("distance_maximum", 0.001),
        "distance_median": In("distance_median", 0.001),
        "distance_10th_percentile": In("distance_p10", 0.001),
        "distance_25th_percentile": In("distance_p25", 0.001),
        "distance_75th_percentile": In("distance_p75", 0.001),
        "distance_90th_percentile": In("distance_p90", 0.001),
        "distance_most_frequent_value": In("distance_mode", 0.001),
        "number_of_samples": In("samples"),
        "total_acquisition_time": In("acquisition_time", 0.001),
    },
    "decentlab/dl-lpw": DECENTLAB | {"potentiometer_position": In("position")},
    "decentlab/dl-mbx": DECENTLAB | {"distance": In("distance", 0.001), "number_of_valid_samples": In("samples")},
    "decentlab/dl-pr21": PRESSURE,
    "decentlab/dl-pr26": PRESSURE,
    "decentlab/dl-pr36": PRESSURE,
    "decentlab/dl-pr36ctd": DECENTLAB
    | {
        "pressure": In("pressure", 100),
        "temperature_electronics": In("electronics_temperature"),
        "temperature_pt1000": In("temperature"),
        "electrical_conductivity": In("conductivity", 1000),
    },
    "decentlab/dl-rad": DECENTLAB
    | {
        "distance": In("distance", 0.001),
        "temperature": In("temperature"),
        "reliability": In("reliability"),
        "status": In("status"),
    },
    "decentlab/dl-zn1": DECENTLAB | {"dendrometer_position": In("position", 0.001)},
    "decentlab/dl-zn2": DECENTLAB
    | {"dendrometer_a_position": In("position", 0.001), "dendrometer_b_position": In("position_b", 0.001)},
    "dragino/ldds75": {
        "Bat": In("voltage"),
        "Distance": In("distance", 0.001),
        "Interrupt_flag": In("interrupt"),
        "TempC_DS18B20": In("temperature"),
        "Sensor_flag": In("sensor", {0: "missing", 1: "connected"}),
    },
    "dragino/lwl02": {
        "Node_type": NAMED,
        "BAT_V": In("voltage"),
        "MOD": In("mode", {1: "door", 2: "leak", 3: "door and leak"}),
        "WATER_LEAK_STATUS": In("leak"),
        "WATER_LEAK_TIMES": In("leaks"),
        "LAST_WATER_LEAK_DURATION": In("last_leak", 60),
    },
    "milesight/at101": {
        "battery": In("battery"),
        "temperature": In("temperature"),
        "longitude": In("longitude"),
        "latitude": In("latitude"),
        "position": In("tilted", TILT),
        "geofence_status": In("geofence", {}),
        "motion_status": In("motion", {}),
    },
    "milesight/em300-cl": {"battery": In("battery"), "liquid": In("liquid", {})},
    "milesight/em300-mld": CLIMATE,
    "milesight/em300-sld": CLIMATE,
    "milesight/em310-tilt": {
        **{f"angle_{axis}": In(f"angle_{axis}") for axis in "xyz"},
        **{f"threshold_{axis}": In(f"threshold_{axis}", THRESHOLD) for axis in "xyz"},
    },
    "milesight/em310-udl": DISTANCE | {"tilt": In("tilted", TILT)},
    "milesight/em400-mud": EM400,
    "milesight/em400-tld": EM400,
    "milesight/em400-udl": EM400,
    "milesight/em500-pp": {"battery": In("battery"), "pressure": In("pressure")},
    "milesight/em500-swl": {"battery": In("battery"), "level": In("level", 0.01)},
    "milesight/em500-udl": DISTANCE,
    "milesight/gs524n": {
        "version": In("firmware_version"),
        "protocol": In("protocol_version"),
        "type": In("kind", {}),
        "battery": In("battery"),
        "concentration": In("smoke_concentration"),
        "temperature": In("temperature"),
        "event": In("report", {"testing alarm with normal battery": "test"}),
    },
    "milesight/ws303": {"battery": In("battery"), "leakage_status": In("leak", LEAK)},
    "netvox/ra02a": {
        "Device": NAMED,
        "SWver": In("software_version"),
        "HWver": In("hardware_version"),
        "Datecode": In("date_code", {}),
        "Volt": In("voltage"),
        "FireAlarm": In("alarm", ALARM),
        "HighTempAlarm": In("heat_alarm", ALARM),
        "Temp": In("temperature"),
    },
    "sept-s/tg563a": {
        "messageType": In(
            "report",
            {"Periodic uplink message": "periodic", "Message with additional data": "additional data"},
        ),
        "configuration.rawValue": Left("the byte whose parts are carried one by one"),
        "configuration.transmissionPeriod": In("report_interval", 3600),
        "configuration.additionalDataEnabled": In("additional_data"),
        "configuration.obstructionEventEnabled": In("obstruction_events"),
        "configuration.hardwareFailureEventEnabled": In("failure_events"),
        "configuration.smokeEventEnabled": In("smoke_events"),
        "temperature": In("temperature"),
        "status.mounted": In("mounted"),
        "status.brightness": In("light"),
        "status.temperatureOutOfRange": In("temperature_out_of_range"),
        "status.obstacleDetected": In("obstructed"),
        "status.airInletCovered": In("inlet_covered"),
        "status.tooLongInactivity": In("inactive"),
        "status.tooLongUnmounted": In("long_unmounted"),
        "status.smokeAlarm": In("alarm"),
        "status.batteryLow": In("low_battery"),
        "status.smokeChamberFailure": In("chamber_fault"),
        "status.fouledSmokeChamber": In("chamber_fouled"),
        "status.ultrasonicSensorFailure": In("ultrasonic_fault"),
        "status.infraredSensorFailure": In("infrared_fault"),
        "status.buzzerFailure": In("buzzer_fault"),
        "batteryLevel": In("voltage"),
        "serialNumber": In("serial", {}),
        "productionDate": DATE,
        "installationDate": DATE,
        "runningTimeCounter": In("running_time"),
        "smokeAlarmTimeCounter": In("alarm_time"),
        "testAlarmTimeCounter": In("test_time"),
        "faultTimeCounter": In("fault_time"),
        "smokeAlarmCounter": In("alarms"),
        "testAlarmCounter": In("tests"),
        "smokeErrorCounter": In("smoke_errors"),
        "lowBatteryCounter": In("low_batteries"),
        "smokeAlarmDeactivationCounter": In("silencings"),
        "faultDeactivationCounter": In("fault_silencings"),
        "mountingCounter": In("mountings"),
        "energyUsage": In("energy_used"),
        "lightGuideDirtiness": In("light_guide_dirt"),
        "foulingSmokeChamber": In("fouling"),
        "minimumTemperature": In("lowest_temperature"),
        "maximumTemperature": In("highest_temperature"),
        "distanceThreshold": In("distance_threshold"),
    },
    "yobiiq/sd1001": {
        "batteryLevelInPercentage": In("battery"),
        "powerEvent": In("mains", MAINS),
        "lowBatteryAlarm": In("low_battery", ALARM),
        "faultAlarm": In("fault", ALARM),
        "smokeAlarm": In("alarm", ALARM),
        "interconnectAlarm": In("interconnect_alarm", ALARM),
        "testButtonPressed": In("test", {"Normal": 0, "Pushed": 1}),
        "hardwareVersion": In("hardware_version", {"V1.0": "v1.0"}),
        "firmwareVersion": In("firmware_version", {"V1.0": "v1.0", "V1.2": "v1.2"}),
        "deviceSerialNumber": In("serial", {2404152795: "2404152795", 2401640000: "2401640000"}),
        "deviceClass": In("device_class", {}),
        "codecVersion": CODEC,
        "deviceModel": NAMED,
        "productCode": NAMED,
        "manufacturer": NAMED,
    },
}
"""Profile name -> published key (`a.b` inside an object) -> what it is here. An empty table of words: the same word."""

EVENTS: dict[str, tuple[str, ...]] = {
    "03ed02": ("alarm",),
    "03edff": ("fault",),
    "050001": ("alarm",),
    "01755c0367010104824408050001": ("tamper",),
    "01755c03824408040001": ("tamper",),
    "20ce9e74466300000001": ("alarm",),
    "20ce9e74466310015d01": ("alarm",),
    "03cf00000000282307": ("alarm",),
    "221e64001c40": ("test",),
    "010a011e010104b0000000": ("alarm",),
    "01005f020001030000040000050001060000070001": ("alarm", "test"),
}
"""Bytes -> the events that they announce; all others announce none."""
