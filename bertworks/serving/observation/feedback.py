"""`POST /v1/feedback`: what the right answer to a request would have been, kept beside what was said."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bertworks.serving import reading
from bertworks.serving.exchange import CALLER, Caller, Exchange
from bertworks.serving.http.openapi import Schema, object_of, operation_of
from bertworks.serving.http.reply import Reply
from bertworks.serving.models.registry import Registry
from bertworks.serving.observation.counting import answering
from bertworks.serving.observation.files import SampleFiles
from bertworks.serving.observation.sampling import masked_words, record
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits
from bertworks.tasks.forms.form import Row, texts_in

if TYPE_CHECKING:
    from bertworks.serving.assembly import Labelled, Serving

PATH = "/v1/feedback"
MEMBERS = ("request", "row", "label", "tags")
MOST_BYTES = 65_536
"""Of a body."""
REMEMBERED = 5_000
"""Requests that may still be told about, at most."""
MOST_CHARACTERS = 8_000_000
"""Of their texts together, at most."""

SHOWN = 50
"""Labels that a refusal names, at most."""

_Known = tuple[str, str]  # caller and request: ids are the clients' own


class Feedback:
    """Remembers the last requests, and takes what clients say of them.

    Args:
        models: What is served.
        files: Take what is said; None: it is told on, and not kept.
        mask: Whether personal data is masked.
        labelled: Told what is right, see `Serving`.
    """

    def __init__(
        self,
        models: Registry,
        files: SampleFiles | None,
        mask: bool = True,
        labelled: Sequence[Labelled] = (),
    ) -> None:
        self._models, self._files, self._mask, self._labelled = models, files, mask, labelled
        self._lock = threading.Lock()
        self._known: OrderedDict[_Known, tuple[Exchange, int]] = OrderedDict()
        self._characters = 0

    def answered(self, exchange: Exchange) -> None:
        """Remembers an exchange that was answered."""
        if exchange.reason or not exchange.answers:
            return
        size = sum(map(_characters, exchange.rows))
        with self._lock:
            key = _key(exchange.caller, exchange.id)
            self._forget(key)
            self._known[key] = exchange, size
            self._characters += size
            while len(self._known) > REMEMBERED or self._characters > MOST_CHARACTERS:
                self._forget(next(iter(self._known)))

    def join(self, serving: Serving) -> None:
        """Has a server tell it of requests, and offer its path."""
        serving.observers.add(self)
        serving.routes.append(Route(PATH, self._take, methods=["POST"]))
        serving.described.append(lambda _: described())

    def take(self, body: bytes, caller: Caller | None = None) -> dict[str, Any]:
        """Keeps what a body says.

        Args:
            caller: Who says it: of their own requests alone.
            body: JSON: `request`, the id in an answer's `x-request-id`; `row`, from 0, where there
                are several; and what is right, as a data source would have it: `label` (a text, for
                several labels a list, for a score a number), or `tags`, one a word; for an intent both.

        Raises:
            Refused: It is not so, or the request is not remembered (any more).
        """
        asked = reading.load(body, Limits())
        if not isinstance(asked, dict) or not isinstance(asked.get("request"), str):
            raise Refused(422, "feedback", 'The body must be {"request": ID, "label": …}.')
        reading.check_members(asked, MEMBERS, "Feedback")
        with self._lock:
            found = self._known.get(_key(caller, asked["request"]))
        if found is None:
            raise Refused(
                404, "feedback-unknown", "There is no such request, or it is too long ago.",
                f"The last {REMEMBERED} can be told about; `request` is an answer's x-request-id.",
            )  # fmt: skip
        exchange, _ = found
        place = asked.get("row", 0)
        if type(place) is not int or not 0 <= place < len(exchange.rows):
            raise Refused(422, "feedback", f"`row` must be 0 to {len(exchange.rows) - 1}.")
        bundle = answering(self._models, exchange)
        if bundle is None:
            raise Refused(404, "feedback-unknown", "The version that answered is gone.")
        row, answer = exchange.rows[place], exchange.answers[place]
        agent = bundle.agent
        right: Any
        kept = record(exchange, place, row, answer, agent, self._mask)
        if agent.handler.target.per_word:
            source = _of_words(asked, answer)
            _check_words(source, agent.handler)
            right = agent.handler.target.of_source(source)
            kept.pop("text", None)
            tokens = list(answer["tokens"])
            kept |= {"tokens": masked_words(tokens) if self._mask else tokens, **source}
        else:
            right = kept["label"] = _label(asked, agent.handler.target)
            if not agent.handler.target.numeric:
                _check_known([right] if isinstance(right, str) else right, agent.handler.labels)
        if self._files is not None:
            self._files.add(kept)
        for told in self._labelled:
            told(exchange, place, right)
        return {"kept": self._files is not None}

    async def _take(self, request: Request) -> Response:
        parts, size = [], 0
        async for part in request.stream():
            size += len(part)
            if size > MOST_BYTES:
                raise Refused(
                    413, "body", f"Feedback must have at most {MOST_BYTES} bytes.", close=True
                )
            parts.append(part)
        reply = Reply.json(self.take(b"".join(parts), request.scope.get(CALLER)))
        return Response(reply.body, reply.status, media_type=reply.media)

    def _forget(self, key: _Known) -> None:
        if (old := self._known.pop(key, None)) is not None:
            self._characters -= old[1]


def described() -> Schema:
    """The path, for the OpenAPI document."""
    text = {"type": "string", "minLength": 1}
    asked = object_of(
        {"request": {"type": "string"}},
        closed=True,
        row={"type": "integer", "minimum": 0},
        label={"anyOf": [text, {"type": "number"}, {"type": "array", "items": {"type": "string"}}]},
        tags={"type": "array", "items": text},
    )
    example = {"request": "an answer's x-request-id", "label": "positive"}
    operation = operation_of(
        "What the right answer would have been",
        object_of({"kept": {"type": "boolean"}}),
        *(400, 404, 413, 422, 500),
        body={"application/json": {"schema": asked, "example": example}},
    )
    operation["description"] = (
        "`row` counts from 0 and is told where a request had several. What is right is written as a "
        "data source has it: `label`, for several labels a list, for a score a number; or `tags`, one a "
        "word; for an intent with slots either or both."
    )
    return {PATH: {"post": operation}}


def _key(caller: Caller | None, identifier: str) -> _Known:
    return "" if caller is None else caller.id, identifier


def _characters(row: Row) -> int:
    return sum(map(len, texts_in(row)))


def _label(asked: dict[str, Any], target: Any) -> Any:
    """The right label, labels or score.

    Raises:
        Refused: It is none.
    """
    given = asked.get("label")
    if target.numeric:
        good = isinstance(given, int | float) and not isinstance(given, bool) and _is_finite(given)
        wanted = "a number"
    elif target.many:
        good = isinstance(given, list) and all(isinstance(one, str) for one in given)
        wanted = "a list of texts"
    else:
        good, wanted = isinstance(given, str) and bool(given), "a text"
    if not good:
        raise Refused(422, "feedback", f"`label` must be {wanted}.")
    return float(given) if target.numeric and isinstance(given, int | float) else given


def _of_words(asked: dict[str, Any], answer: Any) -> dict[str, Any]:
    """The right tags, and with an intent `label`; of the two what is left out is right as answered.

    Raises:
        Refused: They are none.
    """
    if "intent" not in answer:
        return {"tags": _tags(asked, answer)}
    if "label" not in asked and "tags" not in asked:
        raise Refused(422, "feedback", "Give `label`, the right intent, or `tags`, or both.")
    intent = asked.get("label", answer["intent"])
    if not isinstance(intent, str) or not intent:
        raise Refused(422, "feedback", "`label` must be a text: the right intent.")
    tags = _tags(asked, answer) if "tags" in asked else list(answer["tags"])
    return {"label": intent, "tags": tags}


def _is_finite(given: float) -> bool:
    try:
        return math.isfinite(given)
    except OverflowError:  # a whole number of many digits
        return False


def _check_known(given: Sequence[str], labels: Sequence[str]) -> None:
    """Refuses labels that the agent does not give: a slip of the pen would be a label of its own.

    Raises:
        Refused: One is not among them.
    """
    unknown = [one for one in given if one not in labels]
    if unknown:
        shown = ", ".join(map(repr, labels[:SHOWN])) + (", …" if len(labels) > SHOWN else "")
        raise Refused(
            422, "feedback", f"The agent knows no label {unknown[0][:80]!r}.",
            f"Give one of its {len(labels)} labels: {shown}. A new label comes with a data source, such "
            "as `bertworks label import` writes.",
        )  # fmt: skip


def _check_words(source: Mapping[str, Any], handler: Any) -> None:
    """Refuses tags, or an intent, that the agent does not give; raises as `_check_known`."""
    kinds = handler.target.kinds(handler.labels)
    known = [handler.target.outside, *(f"{mark}-{kind}" for kind in kinds for mark in "BI")]
    _check_known(source["tags"], known)
    if "label" in source:
        _check_known([source["label"]], handler.target.choices(handler.labels))


def _tags(asked: dict[str, Any], answer: Any) -> list[str]:
    given, count = asked.get("tags"), len(answer["tokens"])
    if (
        not isinstance(given, list)
        or len(given) != count
        or not all(isinstance(one, str) and one for one in given)
    ):
        raise Refused(422, "feedback", f"`tags` must be {count} texts, one for each word.")
    return given
