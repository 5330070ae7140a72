"""The quantities that Shouwang knows, each with its one canonical unit (UCUM) and its names on screens.

Profiles convert to the canonical unit, so that a rule written for `level` in metres holds for every model.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quantity:
    """What is measured; `unit` None leaves the unit to the profile."""

    name: str
    unit: str | None
    zh: str
    en: str


_ALL = (
    Quantity("obscuration", "dB/m", "烟雾减光率", "Smoke obscuration"),
    Quantity("smoke_concentration", "%", "烟雾浓度", "Smoke concentration"),
    Quantity("temperature", "Cel", "温度", "Temperature"),
    Quantity("co", "[ppm]", "一氧化碳", "Carbon monoxide"),
    Quantity("humidity", "%", "相对湿度", "Relative humidity"),
    Quantity("level", "m", "水位", "Water level"),
    Quantity("distance", "m", "测距", "Distance"),
    Quantity("rain", "mm", "雨量", "Rain"),
    Quantity("pressure", "kPa", "压力", "Pressure"),
    Quantity("conductivity", "uS/cm", "电导率", "Electrical conductivity"),
    Quantity("frequency", "Hz", "固有频率", "Natural frequency"),
    Quantity("tilt", "deg", "倾角", "Tilt"),
    Quantity("gap", "mm", "缝隙位移", "Gap"),
    Quantity("acceleration", "m/s2", "振动加速度", "Acceleration"),
    Quantity("velocity", "mm/s", "振动速度", "Vibration velocity"),
    Quantity("wind_speed", "m/s", "风速", "Wind speed"),
    Quantity("illuminance", "lx", "照度", "Illuminance"),
    Quantity("battery", "%", "电量", "Battery"),
    Quantity("voltage", "V", "电压", "Voltage"),
    Quantity("current", "mA", "电流", "Current"),
    Quantity("signal", "dBm", "信号强度", "Signal strength"),
    Quantity("link_quality", "1", "链路质量", "Link quality"),
    Quantity("alarm", "1", "报警", "Alarm"),
    Quantity("leak", "1", "漏水", "Water leak"),
    Quantity("flag", "1", "状态", "State"),
    Quantity("count", "1", "计数", "Count"),
    Quantity("duration", "s", "时长", "Duration"),
    Quantity("other", None, "其他", "Other"),
)

QUANTITIES: dict[str, Quantity] = {quantity.name: quantity for quantity in _ALL}

EVENTS = ("alarm", "silenced", "test", "tamper", "low_battery", "fault")
"""What a device may announce beside its values."""
