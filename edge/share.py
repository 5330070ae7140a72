"""A configuration document in little memory: what thousands of its devices say alike stands there once."""

from typing import Any

import msgspec

from wire.configuration import DeviceConfig, EdgeDocument

_TEXTS = ("site", "profile", "name", "building", "zone", "timeline")
_SAID = ("parameters", "rules", "quality")


class _Unread(EdgeDocument, frozen=True, kw_only=True):
    devices: list[msgspec.Raw] = []  # type: ignore[assignment]  # noqa: RUF012  each read by itself


_UNREAD = msgspec.json.Decoder(_Unread)
_DEVICE = msgspec.json.Decoder(DeviceConfig)
_DOCUMENT = msgspec.json.Decoder(EdgeDocument)


class Sharing:
    """Makes equal texts and declarations of devices the same objects; nobody writes to them."""

    def __init__(self) -> None:
        self._texts: dict[str | None, str | None] = {}
        self._said: dict[bytes, Any] = {}
        self._encode = msgspec.msgpack.Encoder().encode

    def __call__(self, config: DeviceConfig) -> DeviceConfig:
        """The same device."""
        known: dict[str, Any] = {}
        for name in _TEXTS:
            text = getattr(config, name)
            known[name] = self._texts.setdefault(text, text)
        for name in _SAID:
            value = getattr(config, name)
            known[name] = self._said.setdefault(self._encode(value), value)
        return msgspec.structs.replace(config, **known)


def read(encoded: bytes) -> EdgeDocument:
    """A document as the cloud or the disk has it, device by device: the whole of it never stands there unshared.

    Raises:
        msgspec.MsgspecError: it is none; says where.
    """
    unread = _UNREAD.decode(encoded)
    share = Sharing()
    try:
        devices = [share(_DEVICE.decode(each)) for each in unread.devices]
    except msgspec.ValidationError:
        return _DOCUMENT.decode(encoded)  # which says of what device it is
    others = {name: getattr(unread, name) for name in EdgeDocument.__struct_fields__ if name != "devices"}
    return EdgeDocument(devices=devices, **others)
