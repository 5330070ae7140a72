"""Timer of rotas: the look for gaps."""

from cloud.rotas import service, watch
from cloud.services import DueHandler

HANDLERS: dict[str, DueHandler] = {service.WATCH: watch.check}
