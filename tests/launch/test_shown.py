"""The page of a step without one of its own."""

import json

from components import shown


def test_numbers_and_curves(tmp_path):
    points = [
        {"step": step, "epoch": step / 2, "split": split, "name": name, "value": value}
        for step in (1, 2, 3)
        for split, name, value in (
            ("train", "loss", 1.0 / step), ("validation", "accuracy", float("nan"))
        )
    ]  # fmt: skip
    (tmp_path / "history.json").write_text(json.dumps({"points": points}))
    page = shown.page("finetune", {"validation_accuracy": 0.8125, "a<b": 3.0}, {"model": tmp_path})
    assert page.startswith("<!doctype html>")
    assert "0.8125" in page and "a&lt;b" in page
    assert page.count("<svg") == 2
    # Kubeflow shows it in a frame that loads nothing.
    assert "<script" not in page and "<link" not in page and "src=" not in page


def test_a_step_that_trained_nothing(tmp_path):
    page = shown.page("ingest", {"train_rows": 12_345.0}, {"examples": tmp_path})
    assert "12,345" in page and "<svg" not in page
