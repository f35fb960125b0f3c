"""The deploy step as a plain function, as a component, and in the spec's sections."""

import json
import ssl

import pytest
from certificates import write_certificate

from bertworks.errors import EnvironmentFault
from bertworks.spec import file as spec_file
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from components.deploy import step
from pipelines.deploying import deploy_section

SPEC = """
name: mood
data: {sources: [{uri: a.csv, label_map: {}}]}
serve: {deploy: {enabled: true, kind: deployment, timeout_minutes: 1}}
"""


@pytest.fixture
def section(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    (tmp_path / "mood.yaml").write_text(SPEC)
    loaded = spec_file.load(tmp_path / "mood.yaml", [])
    return deploy_section(loaded.spec, "/bertworks/models")


@pytest.fixture
def registered(tmp_path):
    facts = {"name": "mood", "version": 3, "digest": "a" * 64,
             "uri": "/bertworks/models/mood/versions/3/bundle"}  # fmt: skip
    folder = tmp_path / "registered"
    with artifacts.write(folder, kind="registered", producer="register", metadata=facts) as out:
        artifacts.write_json(out / "registered.json", facts)
    return folder


def test_the_registered_version_is_rolled_out_and_noted(
    cluster, fake, section, registered, tmp_path, capsys
):
    out = tmp_path / "deployed"
    told = step.run(section, registered=registered, deployed=out, cluster=cluster)
    kept = open_artifact(out, "deployed")
    facts = kept.json("deployed.json")
    assert (facts["name"], facts["version"], facts["digest"]) == ("mood", 3, "a" * 64)
    assert (facts["kind"], facts["namespace"], facts["previous"]) == ("deployment", "runs", None)
    assert facts["answer"] == {"prediction": "good", "skipped": ""}
    assert kept.parents["registered"] == open_artifact(registered).digest
    assert told.metrics["ready"] == 2 and told.metrics["version"] == 3
    page = (out / told.html).read_text("utf-8")
    assert "mood version 3" in page and "<script" not in page
    assert "2 of 2 ready" in capsys.readouterr().err
    args = fake.get("Deployment", "bertworks-mood")["spec"]["template"]["spec"]["containers"][0][
        "args"
    ]
    assert "--digest=" + "a" * 64 in args and "--agent=mood/3" in args


def test_outside_of_a_cluster_it_says_what_to_do(section, registered, tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(EnvironmentFault, match="there is none here") as caught:
        step.run(section, registered=registered, deployed=tmp_path / "deployed")
    assert "bertworks deploy SPEC" in caught.value.fix
    assert not (tmp_path / "deployed").exists()


@pytest.mark.parametrize("tls", [None, "secret"])
def test_the_step_asks_a_new_pod_by_its_address(cluster, fake, serving, monkeypatch, tmp_path, tls):
    """From inside the cluster: no right to the API server's proxy is needed."""
    import http.server
    import threading

    from components.deploy import asking, deployment

    said = {"model_version": "1", "parameters": {"digest": "1" * 64},
            "outputs": [{"name": "prediction", "data": ["fine"]}]}  # fmt: skip

    class Pod(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps(said).encode()
            self.send_response(200 if self.path == "/v2/models/mood/infer" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Pod)
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*write_certificate(tmp_path))
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(asking, "PORT", server.server_address[1])
    monkeypatch.setattr(cluster, "inside", True)
    fake.forbidden = {("create", "services/proxy")}
    done = deployment.deploy(
        cluster, serving(tls=tls), "deployment", poll=0.01, seconds=1, say=lambda line: None
    )
    server.shutdown()
    server.server_close()
    assert done.answer.prediction == "fine"
    assert done.url.startswith("https://" if tls else "http://")


def test_the_component_hands_its_artifacts_to_the_step():
    from components.deploy.component import deploy

    spec = deploy.component_spec
    assert set(spec.inputs) == {"section", "registered"}
    assert set(spec.outputs) == {"deployed", "scores", "view"}


def test_the_section_is_plain_json_and_names_secrets_only(section):
    settings = section.model_dump(mode="json")
    assert json.loads(json.dumps(settings)) == settings and step.Section.of(settings) == section
    assert settings["serve"]["deploy"]["kind"] == "deployment"
