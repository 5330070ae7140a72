"""Errors as problem details (RFC 9457): what was wrong, where, and what to do."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


class ProblemError(BaseModel):
    """One thing that is wrong in a request."""

    where: str = Field(description="Field, row or column")
    what: str = Field(description="What is wrong with it")
    fix: str = Field(default="", description="What to do")
    code: str = Field(default="", description="Stable name of this kind of fault, for a text in the reader's language")
    params: dict[str, str | int | float] = Field(default={}, description="What that text is about")


class ProblemDetails(BaseModel):
    """Body of every error answer."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []


class Problem(Exception):  # noqa: N818  the RFC's word
    """A refusal that a client can read.

    Args:
        status: HTTP status.
        code: short name of the kind of problem, ends up in `type`.
        detail: what was wrong and what to do.
        errors: single faults, e.g. one a field.
        headers: further answer headers, e.g. Retry-After.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[ProblemError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """As an HTTP answer."""
        body = ProblemDetails(
            type=f"urn:shouwang:problem:{self.code}",
            title=_title(self.status),
            status=self.status,
            detail=self.detail,
            errors=list(self.errors),
        ).model_dump()
        if not self.errors:
            del body["errors"]
        return JSONResponse(body, self.status, self.headers, MEDIA_TYPE)


def not_found(what: str, name: str) -> Problem:
    """404: there is none of that name, or the person may not know of it."""
    return Problem(404, "not-found", f"There is no {what} '{name:.80}' that you may see.")


def conflict(code: str, detail: str) -> Problem:
    """409: the thing is not in a state in which this can be done."""
    return Problem(409, code, detail)


def invalid(where: str, what: str, fix: str = "") -> Problem:
    """422 for one field."""
    return Problem(422, "invalid", f"{where}: {what}", errors=[ProblemError(where=where, what=what, fix=fix)])


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


async def _on_problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


async def _on_http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _title(error.status_code).lower().replace(" ", "-")
    return Problem(error.status_code, code, str(error.detail), headers=error.headers).response()


async def _on_validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = [
        ProblemError(
            where=".".join(str(part) for part in fault["loc"]),
            what=str(fault["msg"])[:300],
            code=str(fault["type"]),
            params={
                key: value for key, value in (fault.get("ctx") or {}).items() if isinstance(value, str | int | float)
            },
        )
        for fault in error.errors()[:50]
    ]
    return Problem(422, "invalid", "The request does not fit its schema.", errors=errors).response()


async def _on_fault(request: Request, error: Exception) -> JSONResponse:
    _log.error("unhandled error in %s %s", request.method, request.url.path, exc_info=error)
    return Problem(500, "fault", "The service failed at this; the fault is in its log.").response()


def install(app: FastAPI) -> None:
    """Answer every error of an application as problem details."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Exception, _on_fault)


RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": ProblemDetails, "content": {MEDIA_TYPE: {}}} for code in (401, 403, 404, 409, 422)
}
"""Documented on every route."""
