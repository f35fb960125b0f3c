"""A model store with versions of a tiny agent."""

from tiny_model import bundle_of, make_model

from bertworks.contracts.decision import Decision, Rule
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store

PASSED = Decision(True, "accuracy", [Rule("max_latency_ms", 25.0, 3.0, True)], [])
REFUSED = Decision(False, "accuracy", [], ["accuracy 0.1 < 0.8"], outcome="refused")


def keep(uri, folder, name="mood", decisions=(PASSED,)):
    """Adds a version a decision, promotes the last that passed; returns the digests."""
    store, digests = Store(uri), []
    for number, decision in enumerate(decisions, 1):
        labels = ["bad", "good", *map(str, range(number - 1))]
        task = {"type": "classification"}
        model = make_model(folder / f"model{number}", task, labels)
        bundle = open_artifact(bundle_of(model, folder / f"bundle{number}"), "bundle")
        metrics = folder / f"metrics{number}"
        with artifacts.write(
            metrics, kind="metrics", producer="evaluate", parents={"agent": bundle}
        ) as out:
            artifacts.write_json(out / "metrics.json", [])
        add = store.add if decision.passed else store.refuse
        version = add(bundle, name, decision, open_artifact(metrics))
        if decision.passed:
            store.promote(name, version.number)
        digests.append(version.digest)
    return digests
