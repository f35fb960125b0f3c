"""Each check, on data that trigger it and on data that do not."""

from __future__ import annotations

import pytest

from bertworks.spec import Checks, Task


@pytest.fixture
def good(make_reviews, make_splits):
    return make_splits(make_reviews(100))


def test_good_data_pass_every_check(bench, good):
    outcome = bench.run(good)
    assert outcome.error is None
    assert outcome.failed() == []
    assert outcome.result.notices == []
    assert list(outcome.checks) == [
        name for name in Checks.model_fields if not name.startswith(("max_", "min_"))
    ]


def test_empty_rows_stop_the_run_and_are_named(bench, good):
    good["train"][3]["text"] = " \u3000 "
    good["test"][1]["text"] = ""
    outcome = bench.run(good)
    check = outcome.checks["empty_rows"]
    assert (check["value"], check["limit"], check["passed"]) == (2, 0, False)
    assert check["rows"] == ["tr00000000000003", "te00000000000001"]
    assert "empty_rows" in outcome.error.message and "tr00000000000003" in outcome.error.message


def test_one_empty_side_of_a_pair_is_an_empty_row(bench, make_sentence):
    task = Task(pair=True)
    rows = [
        {"text_a": make_sentence(n), "text_b": make_sentence(n + 50), "label": "xy"[n % 2]}
        for n in range(20)
    ]
    assert bench.run({"train": rows}, task).checks["empty_rows"]["passed"]
    rows[4]["text_b"] = ""
    assert bench.run({"train": rows}, task).checks["empty_rows"]["rows"] == ["tr00000000000004"]


@pytest.mark.parametrize(
    "text",
    [
        "lost \ufffd bytes",
        "a café".encode().decode("latin-1"),
        "it’s fine".encode().decode("cp1252"),
        "it\u0092s fine",
        "smile 😀 now".encode().decode("latin-1"),
        "привет мир".encode().decode("cp1252", "replace").replace("\ufffd", "\u0081"),
        "中文字".encode().decode("latin-1"),
        "锟斤拷",
    ],
)
def test_encoding_damage_is_found(bench, good, text):
    good["train"] = [{**row, "text": f"{row['text']} {text}"} for row in good["train"]]
    outcome = bench.run(good)
    check = outcome.checks["encoding_damage"]
    assert (check["passed"], check["value"], len(check["rows"])) == (False, 0.8, 20)
    assert outcome.error is None  # a warning by default


@pytest.mark.parametrize(
    "text",
    ["« Voilà… »", "«CAFÉ»", "él dijo “sí”", "naïve façade, Ångström", "привет мир", "中文字 😀",
     "«Il a mangé…»", "ÂME ÃO ãé", "Ελληνικά", "שלום", "50 £ – 60 €…"],
)  # fmt: skip
def test_sound_text_is_not_called_damaged(bench, good, text):
    good["train"] = [{**row, "text": f"{row['text']} {text}"} for row in good["train"]]
    assert bench.run(good).checks["encoding_damage"]["value"] == 0


def test_too_long_counts_tokens_with_the_marks(bench, good, make_sentence):
    task = Task(max_length=20)
    good["train"][0]["text"] = make_sentence(1000, 18)
    assert bench.run(good, task).checks["too_long"]["value"] == 0
    good["train"][0]["text"] = make_sentence(1000, 19)
    good["train"][1]["text"] = make_sentence(1001, 30)
    outcome = bench.run(good, task, {"checks": {"max_too_long": 0.01}})
    check = outcome.checks["too_long"]
    assert (check["value"], check["passed"]) == (0.02, False)
    assert check["rows"] == ["tr00000000000001", "tr00000000000000"]


def test_rows_of_nothing_but_unknown_tokens_are_told(bench, good):
    assert bench.run(good).checks["no_known_tokens"]["value"] == 0
    good["train"][0]["text"] = "😀 😀"
    good["train"][1]["text"] = "\ue000"
    outcome = bench.run(good)
    assert outcome.checks["no_known_tokens"]["value"] == 2
    assert len(outcome.checks["no_known_tokens"]["rows"]) == 2
    told = [one for one in outcome.result.notices if "no token that the base" in one.text]
    assert told[0].level == "warning" and told[0].count == 2


def test_unknown_tokens(bench, good):
    assert bench.run(good).checks["unknown_tokens"]["value"] == 0
    good["train"][7]["text"] += " qqq www"
    outcome = bench.run(good, settings={"checks": {"max_unknown_tokens": 0.001}})
    check = outcome.checks["unknown_tokens"]
    assert check["value"] == pytest.approx(2 / (100 * 12 + 2))
    assert (check["passed"], check["rows"]) == (False, ["tr00000000000007"])


def test_a_base_from_scratch_skips_the_token_checks_visibly(bench, good):
    outcome = bench.run(good, scratch=True)
    for name in ("too_long", "unknown_tokens"):
        check = outcome.checks[name]
        assert (check["passed"], check["message"], check["value"]) == (
            True, "no tokenizer yet", None,
        )  # fmt: skip
    assert "not run" in outcome.html


def test_near_duplicates_and_leakage(bench, good):
    assert bench.run(good).checks["near_duplicates"]["value"] == 0
    good["train"][5]["text"] = good["train"][2]["text"].upper() + "!!"
    good["test"][0]["text"] = good["train"][9]["text"] + " moon"
    good["validation"][1]["text"] = good["test"][3]["text"]
    outcome = bench.run(good, settings={"checks": {"max_near_duplicates": 0.02}})
    near, leak = outcome.checks["near_duplicates"], outcome.checks["leakage"]
    assert (near["value"], near["passed"]) == (0.03, False)
    assert near["rows"] == ["tr00000000000005", "te00000000000000", "te00000000000003"]
    assert (leak["value"], leak["passed"]) == (0.05, False)
    assert leak["rows"] == ["te00000000000000"]
    assert "resembles" in outcome.html and "tr00000000000009" in outcome.html


def test_rows_that_are_all_the_same_are_all_but_one_duplicates(bench, make_splits):
    rows = [{"text": "good day", "label": "ab"[n % 2]} for n in range(100)]
    outcome = bench.run(make_splits(rows))
    assert outcome.checks["near_duplicates"]["value"] == 0.99
    assert outcome.checks["leakage"]["value"] == 1.0


def test_near_duplicates_in_chinese(bench):
    texts = [
        "这家酒店的房间很干净服务也很好",
        "物流太慢了等了整整一个星期才到",
        "这本书的内容非常枯燥不推荐购买",
    ]
    rows = [{"text": text, "label": str(n % 2)} for n, text in enumerate(texts * 5)]
    for row in rows[3:]:
        row["text"] += "。"
    rows[0]["text"] = texts[0] + "啊"
    outcome = bench.run({"train": rows})
    assert outcome.checks["near_duplicates"]["value"] == pytest.approx(12 / 15)


def test_compared_rows_are_bounded_and_favour_held_out_rows(bench, good):
    outcome = bench.run(good, settings={"max_near_duplicate_rows": 50})
    assert "of 50 compared rows" in outcome.checks["near_duplicates"]["message"]
    assert "of 20 compared validation and test rows" in outcome.checks["leakage"]["message"]


def test_label_balance(bench, good):
    settings = {"checks": {"min_label_share": 0.05}}
    for row in good["train"]:
        row["label"] = "pos"
    for row in good["train"][:4]:
        row["label"] = "neg"
    assert bench.run(good, settings=settings).checks["label_balance"]["value"] == 0.05
    good["train"][0]["label"] = "pos"
    check = bench.run(good, settings=settings).checks["label_balance"]
    assert (check["passed"], check["value"]) == (False, 3 / 80)
    assert check["rows"][0] == "tr00000000000001"


def test_single_class_stops_the_run(bench, good):
    for row in good["train"]:
        row["label"] = "pos"
    outcome = bench.run(good, settings={"checks": {"rare_labels": "ignore"}})
    assert (outcome.checks["single_class"]["value"], outcome.failed()) == (
        1, ["label_balance", "single_class"],
    )  # fmt: skip
    assert "single_class" in outcome.error.message


def test_rare_labels_name_their_rows(bench, good):
    good["train"][11]["label"] = "odd"
    good["test"][2]["label"] = "strange"
    outcome = bench.run(good)
    check = outcome.checks["rare_labels"]
    assert (check["passed"], check["value"], check["limit"]) == (False, 0, 2)
    assert check["rows"] == ["te00000000000002", "tr00000000000011"]
    assert "'strange' (0), 'odd' (1)" in check["message"]


def test_ignored_checks_say_so_and_cannot_fail(bench, good):
    good["train"][0]["text"] = ""
    outcome = bench.run(good, settings={"checks": {"empty_rows": "ignore"}})
    assert outcome.error is None
    check = outcome.checks["empty_rows"]
    assert (check["passed"], check["value"]) == (True, None)
    assert check["message"] == "switched off in the spec"


def test_a_warning_does_not_stop_the_run(bench, good):
    good["train"][0]["text"] = ""
    outcome = bench.run(good, settings={"checks": {"empty_rows": "warning"}})
    assert (outcome.error, outcome.failed()) == (None, ["empty_rows"])
    assert outcome.result.metrics["checks_failed"] == 1


def test_no_rows_at_all(bench):
    outcome = bench.run({"train": [], "validation": [], "test": []})
    assert outcome.failed() == ["single_class"]
    assert "0 training rows" in outcome.error.message


def test_tagging_counts_types_of_entity(bench, make_sentence):
    task = Task(type="tagging")
    rows = [
        {"tokens": make_sentence(n, 5).split(), "tags": ["B-PER", "I-PER", "O", "O", "B-LOC"]}
        for n in range(10)
    ]
    outcome = bench.run({"train": rows}, task)
    assert outcome.failed() == [] and outcome.result.metrics["labels"] == 2
    rows[3]["tags"] = ["O", "O", "O", "B-MISC", "O"]
    rows[4]["tokens"], rows[4]["tags"] = [], []
    outcome = bench.run({"train": rows}, task)
    assert outcome.checks["rare_labels"]["rows"] == ["tr00000000000003"]
    assert outcome.checks["empty_rows"]["rows"] == ["tr00000000000004"]


def test_tagging_without_any_entity_is_a_single_class(bench):
    rows = [{"tokens": ["the", "sea"], "tags": ["O", "O"]}, {"tokens": ["a"], "tags": ["O"]}]
    outcome = bench.run({"train": rows}, Task(type="tagging"))
    assert outcome.failed() == ["single_class"]


def test_multi_label_counts_rows_a_label(bench, make_sentence):
    task = Task(multi_label=True)
    rows = [{"text": make_sentence(n), "labels": [["a"], ["a", "b"], []][n % 3]} for n in range(9)]
    outcome = bench.run({"train": rows}, task)
    assert outcome.failed() == []
    assert outcome.checks["label_balance"]["value"] == pytest.approx(3 / 9)
    same = [{**row, "labels": ["a", "b"]} for row in rows]
    assert bench.run({"train": same}, task).failed() == ["single_class"]


def test_regression_needs_different_scores(bench, make_sentence):
    task = Task(type="regression")
    rows = [{"text": make_sentence(n), "score": n / 10} for n in range(20)]
    outcome = bench.run({"train": rows}, task)
    assert outcome.failed() == [] and outcome.checks["rare_labels"]["value"] is None
    assert "labels" not in outcome.result.metrics
    same = [{**row, "score": 1.5} for row in rows]
    assert bench.run({"train": same}, task).failed() == ["single_class"]


def test_every_warning_is_told_with_count_limit_and_page(bench, good):
    """Of severity "warning": the step goes on, and who runs it is told."""
    good["train"] = [{**row, "text": f"{row['text']} lost \ufffd bytes"} for row in good["train"]]
    good["test"] = [dict(row) for row in good["train"][:10]]
    outcome = bench.run(good)
    assert outcome.error is None
    told = {notice.text.partition(":")[0]: notice for notice in outcome.result.notices}
    assert set(told) == set(outcome.failed()) >= {"encoding_damage", "leakage"}
    damaged = told["encoding_damage"]
    assert damaged.level == "warning" and damaged.count == len(good["train"]) + 10
    assert "(validate.checks.max_encoding_damage = 0.01)" in damaged.text
    assert damaged.more == "view.html" and told["leakage"].count == 10


def test_a_refusal_tells_the_warnings_too(bench, good):
    good["train"] = [{**row, "text": f"{row['text']} lost \ufffd bytes"} for row in good["train"]]
    good["train"][3]["text"] = ""
    outcome = bench.run(good)
    assert "empty_rows" in outcome.error.message
    told = [one.text.partition(":")[0] for one in outcome.error.notices]
    assert told == ["encoding_damage", "unknown_tokens"]


def test_rows_that_were_not_compared_are_counted(bench, good):
    settings = {"max_near_duplicate_rows": 30}
    (notice,) = bench.run(good, settings=settings).result.notices
    assert notice.count == 70 and "validate.max_near_duplicate_rows = 30" in notice.text


@pytest.mark.parametrize(("unknown", "passes"), [(2, True), (20, False)])
def test_words_that_trimming_took_apart_stop_the_run(bench, good, unknown, passes):
    bench.trimmed = {
        "before": 250_000,
        "after": 9_000,
        "words": 100,
        "unknown": unknown,
        "longer": 5,
    }
    outcome = bench.run(good)
    check = outcome.checks["trimmed_words"]
    assert (check["value"], check["passed"]) == ((unknown + 5) / 100, passes)
    assert outcome.result.metrics["trimmed_words"] == check["value"] if passes else outcome.error
    assert passes or "base.vocabulary: keep" in outcome.error.message
