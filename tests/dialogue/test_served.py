"""A dialogue on a server: turns over HTTP, kept apart by key, refused clearly."""

import asyncio
import json
import logging
import re
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from prometheus_client import REGISTRY

from bertworks.dialogue.actions import names
from bertworks.dialogue.policies import graph
from bertworks.dialogue.sessions import SqliteStore
from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.runtime.agent import Agent
from bertworks.serving.assembly import Serving
from bertworks.serving.audit.joining import join as audit
from bertworks.serving.dialogues.joining import Challenger, talking
from bertworks.serving.exchange import CALLER
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.spec.audit import Audit
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from bertworks.spec.limits import Limits
from pipelines.cli.asking import serve
from tests.dialogue.helpers import DOMAIN, FILE
from tests.dialogue.test_graph import some_layers
from tests.dialogue.test_spec import SPEC
from tests.fixes.taking import taken
from tests.fixes.test_taken_commands import given
from tests.helpers.asgi import Client
from tests.helpers.made_versions import Versions
from tests.helpers.tiny_model import bundle_of, make_model
from tests.matching.finding import DOCUMENTS
from tests.matching.finding import bundle as finding

PATH = "/v1/dialogues"
LABELS = ["O", "B-food", "I-food", "B-area", "intent:inform", "intent:bye", "intent:O"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    folder = tmp_path_factory.mktemp("classifier")
    model = make_model(folder / "model", {"type": "classification"}, ["bad", "good"])
    return Agent.load(bundle_of(model, folder / "bundle"), threads=1)


@pytest.fixture(scope="module")
def understanding(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    folder = tmp_path_factory.mktemp("understanding")
    model = make_model(folder / "model", {"type": "understanding"}, LABELS)
    return Agent.load(bundle_of(model, folder / "bundle"), threads=1)


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    return Agent.load(finding(Versions(tmp_path_factory.mktemp("finder"))), threads=1)


class Caller:
    """Who has a key."""

    models: tuple[str, ...] = ()
    admin = False

    def __init__(self, key: str, may: bool = True) -> None:
        self.id, self._may, self.charged = key, may, 0

    def may_ask(self, model: str) -> bool:
        return self._may

    def charge_texts(self, count: int) -> None:
        self.charged += count


class Server:
    """A server in this process."""

    def __init__(
        self,
        folder: Path,
        agent: Agent,
        policy: Path | None = None,
        limits: Limits | None = None,
        tried: Path | None = None,
        helped: bool = True,
    ) -> None:
        (folder / "restaurants.csv").write_text(FILE.read_text("utf-8"))
        (folder / "town.yaml").write_text(SPEC)
        self.serving = Serving.of(limits, threads=1)
        bundle = LoadedBundle(agent, BundleIdentity("d" * 64, 3), self.serving.models.batcher, "m")
        self.serving.models.add(ServedModel("m", OneBundle(bundle)))
        section = load_as(DialogueSpec, folder / "town.yaml").dialogue
        place = folder / "sessions.db"
        challenger = None if tried is None else Challenger(section, folder, tried)
        join = talking(
            section, folder, place, policy, "town/2", challenger=challenger, helped=helped
        )
        join(self.serving)
        self.app, self.gate = self.serving.application()
        self._paths: Mapping[str, Any] | None = None

    def ask(
        self,
        method: str,
        path: str,
        value: Any = None,
        caller: Caller | None = None,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> tuple[int, Mapping[str, Any]]:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()

        async def asked() -> Client:
            for start in self.serving.started:
                await start()
            client = Client(method, PATH + path, b"" if value is None else body, headers)
            if caller is not None:
                client.scope[CALLER] = caller
            return await client.ask(self.app)

        client = asyncio.run(asked())
        self._check_described(method, path, client.status)
        return client.status, client.json()

    def _check_described(self, method: str, path: str, status: int) -> None:
        """Each answer is one that the OpenAPI document has."""
        if self._paths is None:
            document = asyncio.run(Client("GET", "/openapi.json").ask(self.app)).json()
            self._paths = document["paths"]
        described = PATH + re.sub("^/[^/]+", "/{id}", path)
        responses = self._paths[described][method.lower()]["responses"]
        assert str(status) in responses or status == 403  # which a server with keys describes

    def turn(self, name: str, text: str, turn: int | None = None, **more: Any) -> Any:
        number = {} if turn is None else {"turn": turn}
        caller = more.pop("caller", None)
        return self.ask("POST", f"/{name}/turns", {"text": text, **number, **more}, caller)


@pytest.fixture
def server(tmp_path: Path, classifier: Agent) -> Server:
    return Server(tmp_path, classifier)


def test_a_dialogue_over_http(server: Server) -> None:
    status, begun = server.ask("POST", "")
    assert (status, begun["turn"], begun["answer"]) == (200, 1, "Hello. How can I help you?")
    name = begun["dialogue"]
    status, first = server.turn(name, "cheap chinese")
    assert status == 200
    assert first == {
        "dialogue": name, "turn": 1, "answer": "Which area would you like?", "ended": False,
        "again": False, "acts": [["ask", "area"]], "notices": [],
    }  # fmt: skip
    _, second = server.turn(name, "north", 2, trace=True)
    assert "Golden Lantern" in second["answer"]
    assert second["trace"]["choice"]["by"] == "rule: always: offer"
    assert second["trace"]["understanding"] == "keywords"
    _, third = server.turn(name, "thanks, bye", 3)
    assert third["ended"]
    status, history = server.ask("GET", f"/{name}")
    assert [one["text"] for one in history["turns"]] == ["cheap chinese", "north", "thanks, bye"]
    assert server.ask("DELETE", f"/{name}") == (200, {"dialogue": name, "forgotten": True})
    assert server.ask("GET", f"/{name}")[0] == 404
    assert server.ask("DELETE", f"/{name}")[0] == 404
    assert server.turn(name, "south", 2)[0] == 404
    status, anew = server.ask("POST", f"/{name}/turns", {"text": "hi"})  # without a number
    assert status == 200 and anew["turn"] == 1 and not anew["again"]


@pytest.mark.parametrize("body", [b"[1", {"id": "mine"}, [], "a"])
def test_a_dialogue_begins_without_a_body(server: Server, body: Any) -> None:
    assert server.ask("POST", "", {})[0] == 200
    assert server.ask("POST", "", body)[0] == 400


def test_the_greeting_tells_who_understands_and_who_finds(
    tmp_path: Path, finder: Agent, classifier: Agent
) -> None:
    assert Server(tmp_path, classifier).serving.told == [
        "the dialogue town/2 talks at /v1/dialogues: lists of words understand"
    ]
    (told,) = Server(tmp_path, finder).serving.told
    assert told.endswith("lists of words understand; m knows other answers")


def test_a_turn_may_be_given_as_acts(server: Server) -> None:
    acts = [["inform", "food", "chinese"], {"act": ["inform", "area", "north"], "confidence": 0.9}]
    status, found = server.ask("POST", "/a/turns", {"acts": acts})
    assert status == 200 and ["offer", "name", "Golden Lantern"] in found["acts"]


def test_a_request_that_comes_again_is_answered_once(server: Server) -> None:
    first = server.turn("a", "cheap chinese", 1)[1]
    again = server.turn("a", "cheap chinese", 1)[1]
    assert again == {**first, "again": True}
    assert len(server.ask("GET", "/a")[1]["turns"]) == 1


def test_two_users_of_one_id_are_told(server: Server) -> None:
    server.turn("a", "cheap chinese")
    status, found = server.turn("a", "indian food")
    assert status == 409 and "not the next one, which is 2" in found["error"]
    assert server.turn("a", "north", 2)[0] == 200


def test_what_is_over_or_forgotten_is_no_conflict(
    tmp_path: Path, server: Server, server_log: list[logging.LogRecord]
) -> None:
    server.turn("over", "bye")
    status, found = server.turn("over", "hello", 2)
    assert status == 410 and "is over, after 1 turns" in found["error"]
    server.turn("old", "cheap chinese")
    with sqlite3.connect(tmp_path / "sessions.db") as base:
        base.execute("UPDATE dialogues SET changed = changed - 90000 WHERE id = 'old'")
    said = "no dialogue 'old' (any more)"
    for method, path, body in (
        ("POST", "/old/turns", {"text": "north", "turn": 2}),
        ("POST", "/old/outcome", {"satisfied": True}),
        ("GET", "/old", None),
        ("DELETE", "/old", None),
    ):
        status, found = server.ask(method, path, body)
        assert status == 404 and said in found["error"], (method, path, found)
    assert server.ask("POST", "/over/outcome", {"satisfied": True})[0] == 200
    logged = [one.getMessage() for one in server_log if one.levelname == "WARNING"]
    assert sum(" 410 over " in one for one in logged) == 1
    assert sum(" 404 no-dialogue " in one for one in logged) == 4
    assert server.turn("old", "indian", 1)[0] == 200  # begins anew


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_turns_are_counted_by_how_they_end(server: Server) -> None:
    name, ends = "bertworks_requests_total", ("answered", "refused", "failed", "cancelled")
    before = [counted(name, model_name="dialogues", outcome=one) for one in ends]
    server.turn("a", "bye")
    server.turn("a", "hello", 2)
    server.turn("a", "bye", 1, now=True)
    server.turn("b", "hello", 7)
    server.ask("POST", "/c/turns", {"text": "hi"}, headers=[(b"x-request-timeout-ms", b"0")])
    server.serving.observers.close()
    after = [counted(name, model_name="dialogues", outcome=one) for one in ends]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 3, 0, 1]
    assert counted("bertworks_requests_in_progress", model_name="dialogues") == 0


def test_two_keys_have_two_dialogues_of_one_id(server: Server) -> None:
    ann, bob = Caller("ann"), Caller("bob")
    assert server.turn("a", "cheap chinese", caller=ann)[0] == 200
    assert server.turn("a", "indian", caller=bob)[0] == 200
    assert ann.charged == bob.charged == 1
    assert "Spice Harbour" in server.turn("a", "north", 2, caller=bob)[1]["answer"]
    assert server.ask("GET", "/a")[0] == 404


def test_a_dialogue_goes_on_on_another_server(tmp_path: Path, classifier: Agent) -> None:
    Server(tmp_path, classifier).turn("a", "cheap chinese")
    assert "Golden Lantern" in Server(tmp_path, classifier).turn("a", "north", 2)[1]["answer"]


@pytest.mark.parametrize("text", ["", "x" * 10_000, "Wo kann ich essen?", "\u0000\u202e", "吃什么"])
def test_any_text_is_answered(server: Server, text: str) -> None:
    status, found = server.turn("a", text)
    assert status == 200 and found["answer"].startswith("I did not understand that")
    assert bool(found["notices"]) == (len(text) == 10_000)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "must be JSON"),
        ([], 400, "an object with `text` or `acts`"),
        ({}, 400, "an object with `text` or `acts`"),
        ({"text": "a", "acts": []}, 400, "an object with `text` or `acts`"),
        ({"text": 3}, 400, "`text` must be a text"),
        ({"text": "a", "turn": 0}, 400, "`turn` must be"),
        ({"text": "a", "turn": True}, 400, "`turn` must be"),
        ({"text": "a", "turn": 5}, 404, "no dialogue 'a' (any more) to go on with in turn 5"),
        ({"text": "a", "trace": 1}, 400, "`trace` must be"),
        ({"text": "a", "tpye": 1}, 400, "no key 'tpye'"),
        ({"acts": [["sing"]]}, 400, "acts[0]: there is no intent 'sing'"),
        (
            {"acts": [["bye"], ["inform", "nope", "x"]]},
            400,
            "acts[1]: there is no slot 'nope' here",
        ),
        ({"acts": [["offer", "name", "x"]]}, 400, "is an act of the agent's"),
        ({"acts": [["bye"]] * 101}, 400, "at most 100 acts"),
        ({"text": "x" * 300_000}, 413, "at most 262,144 bytes"),
    ],
)
def test_a_wrong_turn_is_refused_and_changes_nothing(
    server: Server, body: Any, status: int, says: str
) -> None:
    found = server.ask("POST", "/a/turns", body)
    assert found[0] == status and says in found[1]["error"], found
    assert server.ask("GET", "/a")[0] == 404


def test_an_id_that_is_none_is_refused(server: Server) -> None:
    for name in ("-a", "a" * 129, "a b"):
        assert server.turn(name, "hello")[0] == 400


def test_how_it_ended_is_kept(server: Server, tmp_path: Path) -> None:
    server.turn("a", "chinese")
    assert server.ask("POST", "/a/outcome", {"satisfied": False})[0] == 200
    ((stored, _),) = SqliteStore(tmp_path / "sessions.db", 60.0).all()
    assert stored.outcome == 0.0
    for body in ({}, {"satisfied": 1}, {"satisfied": True, "more": 1}, []):
        assert server.ask("POST", "/a/outcome", body)[0] == 400
    assert server.ask("POST", "/b/outcome", {"satisfied": True})[0] == 404


def lines(folder: Path) -> list[dict[str, Any]]:
    """Of an audit log, without its beginning and end."""
    found = [json.loads(one) for one in (folder / "audit-000001.jsonl").read_text().splitlines()]
    return [one for one in found if one["kind"] == "answer"]


def test_a_turn_is_on_record_before_it_is_answered_and_masked(
    tmp_path: Path, classifier: Agent
) -> None:
    server = Server(tmp_path, classifier)
    audit(server.serving, Audit(folder=str(tmp_path / "audit"), texts=True))
    ann = Caller("ann")
    _, first = server.turn("a", "cheap chinese, write to ann@example.org", caller=ann)
    (kept,) = lines(tmp_path / "audit")  # the answer is here, and so is its line
    assert (kept["protocol"], kept["model"], kept["version"]) == ("dialogue", "dialogues", "town/2")
    assert (kept["caller"], kept["status"], kept["reason"], kept["rows"]) == ("ann", 200, "", 1)
    assert kept["texts"] == ["cheap chinese, write to [email]"]
    (said,) = kept["answers"]
    assert (said["dialogue"], said["turn"], said["answer"]) == ("a", 1, first["answer"])
    assert said["action"] == "ask:area" and said["by"].startswith("rule: ")
    assert "ann@" not in (tmp_path / "audit/audit-000001.jsonl").read_text()
    assert server.turn("a", "indian", 5, caller=ann)[0] == 409
    for close in server.serving.closed:
        close()
    refused = lines(tmp_path / "audit")[1]
    assert (refused["status"], refused["reason"], refused["answers"]) == (409, "turn", [])


def test_a_turn_is_within_the_server_s_limits(tmp_path: Path, classifier: Agent) -> None:
    server = Server(tmp_path, classifier, limits=Limits(characters=20, body_mb=0.001))
    status, found = server.turn("a", "x" * 21)
    assert status == 422 and "at most 20 characters" in found["error"]
    status, found = server.turn("a", "x" * 2000)
    assert status == 413 and "at most 1048 bytes" in found["error"]
    assert server.turn("a", "cheap chinese")[0] == 200
    server.gate.draining = True
    assert server.turn("a", "north", 2)[0] == 503


def test_who_may_not_ask_the_model_may_not_talk(tmp_path: Path, understanding: Agent) -> None:
    server = Server(tmp_path, understanding)
    status, found = server.turn("a", "hello", caller=Caller("eve", may=False))
    assert status == 403, found


def test_a_model_that_nobody_named_does_not_understand_for_it(
    tmp_path: Path, understanding: Agent
) -> None:
    """The newest champion is served where none is named; it may have learned of another world."""
    server = Server(tmp_path, understanding, helped=False)
    _, found = server.turn("a", "cheap chinese", trace=True)
    assert found["trace"]["understanding"] == "keywords"
    assert any("lists of words understand" in one for one in server.serving.told)


def test_a_served_model_understands_the_turns(tmp_path: Path, understanding: Agent) -> None:
    server = Server(tmp_path, understanding)
    status, found = server.turn("a", "good film", trace=True)
    assert status == 200
    assert found["trace"]["understanding"] == "m, backed by keywords"
    assert server.turn("a", "bad story", 2)[0] == 200


def test_a_learned_policy_chooses(tmp_path: Path, classifier: Agent) -> None:
    graph.write(tmp_path / "policy.onnx", some_layers(), DOMAIN, {})
    server = Server(tmp_path, classifier, tmp_path / "policy.onnx")
    _, found = server.turn("a", "chinese", trace=True)
    choice = found["trace"]["choice"]
    assert choice["by"].startswith("graph: ") and choice["action"] in names(DOMAIN)
    assert choice["candidates"][0][0] == choice["action"]
    with pytest.raises(ArtifactError, match="cannot be read"):
        Server(tmp_path, classifier, tmp_path / "none.onnx")


def test_a_challenger_has_a_share_of_the_dialogues_from_first_to_last(
    tmp_path: Path, classifier: Agent
) -> None:
    graph.write(tmp_path / "next.onnx", some_layers(), DOMAIN, {})
    server = Server(tmp_path, classifier, tried=tmp_path / "next.onnx")
    chose: dict[str, set[str]] = {}
    for number in range(40):
        for turn, text in enumerate(("cheap chinese", "north"), 1):
            _, found = server.turn(f"talk-{number}", text, turn, trace=True)
            chose.setdefault(f"talk-{number}", set()).add(found["trace"]["choice"]["by"][:5])
    assert set(map(frozenset, chose.values())) == {frozenset({"rule:"}), frozenset({"graph"})}
    tried = sum(by == {"graph"} for by in chose.values())
    assert 0 < tried < 15  # a tenth
    assert server.ask("POST", "/talk-1/outcome", {"satisfied": True})[0] == 200


def test_a_served_model_finds_documents_for_what_was_not_understood(
    tmp_path: Path, finder: Agent
) -> None:
    server = Server(tmp_path, finder)
    _, found = server.turn("a", DOCUMENTS[0].text, trace=True)
    assert found["answer"] == DOCUMENTS[0].text and found["acts"] == [["quote", "document", "d0"]]
    assert found["trace"]["choice"]["by"] == "matching: m"
    assert server.turn("a", "cheap chinese", 2)[1]["acts"] == [["ask", "area"]]
    assert server.turn("b", "hello", caller=Caller("eve", may=False))[0] == 403


def test_a_store_that_fails_is_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise EnvironmentFault("No space left.", "Free some.")

    monkeypatch.setattr(SqliteStore, "save", full)
    status, found = server.turn("a", "chinese")
    assert status == 503 and "cannot be read or kept now" in found["error"]
    monkeypatch.undo()
    assert server.turn("a", "chinese")[0] == 200


def test_the_paths_are_described(server: Server) -> None:
    document = asyncio.run(Client("GET", "/openapi.json").ask(server.app)).json()
    turn = document["paths"][PATH + "/{id}/turns"]["post"]
    assert "without a number counts as turn 1" in turn["description"]
    assert {f"{PATH}/{{id}}/turns", f"{PATH}/{{id}}", PATH} <= set(document["paths"])
    assert "409" in document["paths"][f"{PATH}/{{id}}/turns"]["post"]["responses"]
    client = asyncio.run(Client("PUT", f"{PATH}/a").ask(server.app))
    assert client.status == 405 and {"GET", "DELETE"} <= {*client.headers["allow"].split(", ")}
    body = document["paths"][f"{PATH}/{{id}}/turns"]["post"]["requestBody"]
    takes = Draft202012Validator(body["content"]["application/json"]["schema"]).is_valid
    acts = [["bye"], {"act": "affirm", "confidence": 0.5}, {"intent": "request", "slot": "phone"}]
    for number, said in enumerate(({"text": "hello"}, {"acts": acts}), 1):
        assert takes(said) and server.ask("POST", f"/{number}/turns", said)[0] == 200
    for wrong in (
        {"acts": [{"act": "inform", "slot": "food", "value": "chinese"}]},
        {},
        {"text": "a", "acts": []},
        {"text": 1},
        {"acts": [1]},
        {"text": "a", "more": 1},
    ):
        assert not takes(wrong) and server.ask("POST", "/3/turns", wrong)[0] == 400


def test_a_server_without_a_dialogue_says_so(classifier: Agent) -> None:
    serving = Serving.of(threads=1)
    app, _ = serving.application()
    found = asyncio.run(Client("POST", f"{PATH}/a/turns", b"{}").ask(app))
    assert found.status == 404 and "without --dialogue" in found.json()["error"]


@pytest.mark.parametrize("option", ["--policy", "--sessions", "--challenger"])
def test_how_to_talk_goes_with_a_dialogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """All that `bertworks serve` does, but for listening."""
    model = make_model(tmp_path / "model", {"type": "classification"}, ["bad", "good"])
    bundle = bundle_of(model, tmp_path / "bundle")
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC)
    graph.write(tmp_path / "policy.onnx", some_layers(), DOMAIN, {})
    file = tmp_path / ("kept.db" if option == "--sessions" else "policy.onnx")
    answers: list[Mapping[str, Any]] = []

    def listen(serving: Serving, *_: Any) -> None:
        app, _ = serving.application()
        body = json.dumps({"text": "cheap chinese", "trace": True}).encode()
        answers.append(asyncio.run(Client("POST", f"{PATH}/a/turns", body).ask(app)).json())

    monkeypatch.setattr("bertworks.serving.server._listen", listen)
    monkeypatch.setattr("bertworks.serving.server._check_address", lambda host, port: None)
    # On a starved machine a thread may still be at what was answered; this process goes on.
    monkeypatch.setattr("bertworks.serving.server.os._exit", lambda status: None)
    words = ["--agent", f"m={bundle}", "--root", str(tmp_path / "root"), option, str(file)]

    def by(fix: str) -> tuple[str, ...]:
        (name,) = re.findall(r"(--\w+) NAME", fix)
        return (name, str(tmp_path / "town.yaml"))

    taken("pipelines/cli/asking.py", "Name it: --dialogue NAME, or its spec.",
          lambda *more: serve(**given("serve", *words, *more)), by)  # fmt: skip
    by_whom = answers[0]["trace"]["choice"]["by"]
    assert by_whom.startswith("graph: " if option == "--policy" else "rule: ")
    assert file.is_file()
