"""The words of a backtest's picture and tables, in Chinese and English."""

from collections.abc import Mapping

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "I": "I critical", "II": "II urgent", "III": "III raised", "IV": "IV ordinary",
        "gap": "no data", "enter": "enter", "exit": "exit", "suspect": "suspect", "fail": "failed",
        "quality": "quality", "alarms": "alarms", "alarm": "alarm", "before": "now", "after": "changed",
        "readings": "readings", "thinned": "thinned: each column keeps its first, lowest, highest and last",
        "time": "time", "seconds": "time from the start", "open": "still on", "no_alarm": "no alarm",
        "span_suspect": "hatched: suspect", "more": "more not drawn",
        "same": "same", "earlier": "earlier", "later": "later", "level": "other level", "joined": "joined",
        "split": "split off", "only_before": "would not fire", "only_after": "would fire",
        "help": "Drag to zoom, double click for all, wheel to zoom, arrow keys to move.", "tests": "tests",
        "range": "outside the sensor's span", "user_range": "outside the span of the place", "spike": "spike",
        "after_spike": "after a spike", "rate": "too fast", "flat": "flat line", "attenuated": "attenuated",
        "neighbour": "not like its neighbours", "not_finite": "not a number", "clock": "wrong clock",
        "skew": "skewed clock", "rule": "rule", "raised": "raised", "cleared": "cleared",
        "table": "The alarms in words", "outside": "doubted and beyond the axis:",
    },
    "zh": {
        "I": "I 特急", "II": "II 紧急", "III": "III 较急", "IV": "IV 一般",
        "gap": "无数据", "enter": "进入", "exit": "退出", "suspect": "可疑", "fail": "不合格",
        "quality": "质量", "alarms": "个报警", "alarm": "报警", "before": "现行", "after": "修改后",
        "readings": "个读数", "thinned": "已抽稀：每个像素列保留首、最低、最高、末读数",
        "time": "时间", "seconds": "从起点算起的时间", "open": "未解除", "no_alarm": "没有报警",
        "span_suspect": "斜线：可疑", "more": "个未画出",
        "same": "不变", "earlier": "提前", "later": "推后", "level": "等级不同", "joined": "并入",
        "split": "分出", "only_before": "不再报警", "only_after": "新增报警",
        "help": "拖动放大，双击还原，滚轮缩放，方向键移动。", "tests": "检验",
        "range": "超出量程", "user_range": "超出现场范围", "spike": "尖峰",
        "after_spike": "尖峰之后", "rate": "变化过快", "flat": "读数不变", "attenuated": "变幅衰减",
        "neighbour": "与邻点不符", "not_finite": "非数值", "clock": "时钟错误", "skew": "时钟偏差",
        "rule": "规则", "raised": "触发", "cleared": "解除", "table": "报警列表", "outside": "可疑且超出坐标轴：",
    },
}  # fmt: skip

SHAPES: Mapping[str, str] = {"I": "■", "II": "▲", "III": "◆", "IV": "●"}
COLOURS: Mapping[str, tuple[str, str, str]] = {  # fill, ink on it, ink on white
    "I": ("#ae0f1c", "#ffffff", "#ae0f1c"),
    "II": ("#e06a00", "#1b0f00", "#963f00"),
    "III": ("#ffdd33", "#1f1900", "#6b5200"),
    "IV": ("#1d5fc4", "#ffffff", "#1a54ae"),
}
