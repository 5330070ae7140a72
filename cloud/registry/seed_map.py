"""The ground under the demonstration neighbourhood: river, creek, roads, railway, plain buildings. All of it invented.

Local metres, east and north of the neighbourhood's middle. 青石浜 divides the grids; 柳荫路 crosses it by 柳荫桥 and
then dips under the railway, where the gauges of `seed.SITES` stand: the low spot beside a creek.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from cloud.registry.model import MapFeature

ORIGIN_LON, ORIGIN_LAT = 120.300, 31.500
_M_PER_DEGREE = 111_320.0
Point = tuple[float, float]


def at(east_m: float, north_m: float) -> Point:
    """Longitude and latitude of a point so many metres east and north of the neighbourhood's middle."""
    lat = ORIGIN_LAT + north_m / _M_PER_DEGREE
    lon = ORIGIN_LON + east_m / (_M_PER_DEGREE * math.cos(math.radians(ORIGIN_LAT)))
    return round(lon, 7), round(lat, 7)


def box(west: float, south: float, east: float, north: float) -> dict[str, Any]:
    """A rectangle in local metres as a GeoJSON polygon."""
    return polygon((west, south), (east, south), (east, north), (west, north))


def polygon(*corners: Point) -> dict[str, Any]:
    """A polygon in local metres as GeoJSON."""
    return {"type": "Polygon", "coordinates": [[list(at(*corner)) for corner in (*corners, corners[0])]]}


def line(*points: Point) -> dict[str, Any]:
    """A smoothed line in local metres as GeoJSON."""
    return {"type": "LineString", "coordinates": [list(at(*point)) for point in _smooth(points)]}


def ribbon(width_m: float, *points: Point) -> dict[str, Any]:
    """A smoothed line of so much width, as a polygon: a river. Its bends are wider than it is."""
    middle = _smooth(points)
    left, right = [], []
    for before, here, after in zip((middle[0], *middle), middle, (*middle[1:], middle[-1]), strict=False):
        east, north = after[0] - before[0], after[1] - before[1]
        half = width_m / 2 / math.hypot(east, north)
        left.append((here[0] - north * half, here[1] + east * half))
        right.append((here[0] + north * half, here[1] - east * half))
    return polygon(*left, *reversed(right))


def _smooth(points: tuple[Point, ...], times: int = 3) -> tuple[Point, ...]:
    """Chaikin's corner cutting; the ends stay."""
    for _ in range(times):
        cut = [points[0]]
        for (x1, y1), (x2, y2) in pairwise(points):
            cut += [(0.75 * x1 + 0.25 * x2, 0.75 * y1 + 0.25 * y2), (0.25 * x1 + 0.75 * x2, 0.25 * y1 + 0.75 * y2)]
        points = (*cut, points[-1])
    return points


_WATER = (
    ("chengjiang", "澄江", "Cheng River", (250, 322),
     ribbon(92, (-620, 352), (-380, 338), (-120, 316), (120, 330), (380, 318), (700, 342))),
    ("qingshi-creek", "青石浜", "Qingshi Creek", (16, 42),
     ribbon(22, (-20, 330), (22, 250), (40, 190), (34, 90), (18, 10), (26, -90), (44, -200), (46, -330), (66, -640))),
    ("wanghu", "望湖", "Wang Lake", (-340, 246),
     ribbon(46, (-392, 240), (-366, 252), (-330, 244), (-300, 254), (-282, 246))),
)  # fmt: skip
_ROADS = (
    ("liuyin-road", "柳荫路", "Liuyin Road", 16, (404, -54),
     line((-640, -34), (-300, -48), (-56, -55), (110, -60), (210, -60), (360, -57), (700, -36))),
    ("xuefu-road", "学府路", "Xuefu Road", 12, (-56, -150),
     line((-72, -640), (-54, -250), (-60, -54), (-48, 120), (-56, 204))),
    ("wanghu-road", "望湖路", "Wanghu Road", 12, (-200, 200), line((-640, 184), (-300, 196), (-56, 204), (76, 206))),
    ("creek-road", "青石浜路", "Creek Road", 8, (80, 66),
     line((104, -640), (88, -220), (74, -60), (82, 100), (76, 206))),
    ("rail-east-road", "铁东路", "Tiedong Road", 10, (229, -150),
     line((214, -640), (226, -250), (230, -60), (236, 90), (240, 212))),
    ("riverside-road", "滨江路", "Riverside Road", 10, (420, 210), line((240, 212), (420, 208), (700, 220))),
    ("shuinan-road", "水南路", "Shuinan Road", 10, (-250, -249),
     line((-640, -240), (-250, -249), (-54, -250), (89, -243))),
)  # fmt: skip
_RAILWAY = line((118, -640), (142, -300), (160, -60), (180, 130), (204, 300), (240, 640))
_BLOCKS = (
    # 望湖苑 and around
    (-350, 120, -290, 134), (-350, 80, -290, 94), (-350, 40, -290, 54), (-260, 40, -200, 54), (-138, 100, -124, 160),
    (-108, 100, -80, 128), (-108, 140, -80, 166), (-180, 22, -90, 44), (-180, 60, -120, 76), (-350, 152, -290, 166),
    (-260, 156, -200, 170), (-250, 218, -190, 232), (-170, 220, -110, 234), (-94, 224, -62, 250), (-36, 222, -6, 240),
    # between 学府路 and the creek
    (-38, -28, -8, -8), (-38, 20, -10, 44), (-36, 62, -6, 86), (-34, 106, -4, 130), (-32, 150, 2, 176),
    (-44, -104, 2, -86), (-42, -146, 4, -128), (-40, -196, 12, -172), (-38, -236, 14, -216), (-40, -300, 18, -282),
    (-40, -350, 20, -332), (-42, -416, 22, -396),
    # between the creek and the railway
    (92, -32, 142, -16), (92, 4, 116, 36), (126, 4, 150, 36), (96, 56, 156, 70), (98, 90, 158, 104),
    (98, 126, 160, 140), (96, 164, 164, 184), (92, -108, 136, -92), (94, -142, 134, -128), (98, -182, 132, -164),
    (100, -228, 130, -206), (104, -300, 126, -262),
    # east of the railway
    (252, 18, 318, 48), (340, 10, 412, 44), (440, 4, 492, 62), (404, 102, 476, 150), (254, 172, 322, 190),
    (344, 174, 404, 188), (428, 172, 490, 190), (252, -18, 300, -4), (250, -104, 310, -90), (250, -138, 310, -124),
    (250, -172, 310, -158), (332, -104, 392, -90), (332, -138, 392, -124), (332, -172, 392, -158),
    (416, -104, 476, -90), (416, -140, 476, -124), (246, -300, 332, -232), (356, -292, 470, -246),
    (246, -400, 326, -326), (356, -396, 478, -322),
    # 水南新村 and around
    (-270, -300, -210, -287), (-350, -300, -290, -287), (-270, -350, -210, -337), (-350, -350, -290, -337),
    (-190, -400, -130, -387), (-270, -400, -210, -387), (-350, -400, -290, -387), (-108, -302, -76, -282),
    (-108, -352, -76, -322), (-190, -206, -86, -188), (-190, -160, -172, -104), (-104, -160, -86, -104),
    (-272, -120, -212, -106), (-352, -120, -292, -106), (-272, -160, -212, -146), (-352, -160, -292, -146),
    (-352, -210, -222, -188),
)  # fmt: skip
"""Plain outlines: nothing is registered in them."""


def features(area_path: str) -> Iterator[MapFeature]:
    """Everything above, lying in one area."""

    def one(kind: str, name: str, geometry: dict[str, Any], label: Point | None = None, **more: Any) -> MapFeature:
        lon, lat = at(*label) if label else (None, None)
        return MapFeature(kind=kind, name=name, geometry=geometry, lon=lon, lat=lat, area_path=area_path, **more)

    for id_, name, name_en, label, shape in _WATER:
        yield one("water", name, shape, label, id=id_, name_en=name_en)
    for id_, name, name_en, width, label, shape in _ROADS:
        yield one("road", name, shape, label, id=id_, name_en=name_en, width_m=width)
    yield one(
        "railway", "澄柳铁路", _RAILWAY, (174, -176), id="chengliu-railway", name_en="Chengliu Railway", width_m=7
    )
    for number, corners in enumerate(_BLOCKS, 1):
        yield one("block", "", box(*corners), id=f"block-{number:02d}", name_en="")
