"""What the spec takes as amounts and labels, Kubernetes and KFP's SDK take too."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity
from pydantic import TypeAdapter, ValidationError

from bertworks.quantities import Cpu, LabelKey, LabelValue, Memory, memory_bytes

CPU, MEMORY = TypeAdapter(Cpu), TypeAdapter(Memory)
KEY, VALUE = TypeAdapter(LabelKey), TypeAdapter(LabelValue)
# kfp.dsl.PipelineTask checks amounts with these.
KFP_CPU = re.compile(r"([0-9]*[.])?[0-9]+m?$")
KFP_MEMORY = re.compile(r"^[0-9]+(E|Ei|P|Pi|T|Ti|G|Gi|M|Mi|K|Ki){0,1}$")

amounts = st.text("0123456789.mkKMGTPEi eE+-", min_size=1, max_size=8)


def taken(adapter, value):
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


@given(amounts)
def test_cpu(text):
    if (cpu := taken(CPU, text)) is not None:
        assert KFP_CPU.match(cpu)
        # Kubernetes refuses less than a thousandth.
        assert parse_quantity(cpu) * 1000 >= 1
        assert parse_quantity(cpu) * 1000 % 1 == 0


@given(amounts)
def test_memory(text):
    if (memory := taken(MEMORY, text)) is not None:
        assert KFP_MEMORY.match(memory) and not memory.endswith("K")
        assert parse_quantity(memory) == memory_bytes(memory) >= 1024**2


@given(st.integers(1, 10**6), st.sampled_from(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "M", "G", "T"]))
def test_every_unit_means_what_kubernetes_means(number, unit):
    assert memory_bytes(f"{number}{unit}") == parse_quantity(f"{number}{unit}")


@pytest.mark.parametrize(
    ("adapter", "given", "meant"),
    [(CPU, 2, "2"), (CPU, 0.5, "0.5"), (CPU, "500m", "500m"), (MEMORY, "8Gi", "8Gi"),
     (VALUE, True, "true"), (VALUE, 7, "7"), (VALUE, "", "")],
)  # fmt: skip
def test_what_yaml_reads_as_a_number_is_taken(adapter, given, meant):
    assert adapter.validate_python(given) == meant


@pytest.mark.parametrize(
    "value", ["", "0", "0m", "-1", "1e3", "1 ", "½", "٣", "0.0001", "1\n", None]
)
def test_cpu_that_is_none(value):
    assert taken(CPU, value) is None


@pytest.mark.parametrize(
    "value", ["", "0", "8", "8k", "8K", "8KB", "8 Gi", "1.5Gi", "8gi", "-8Gi", "8Gi\n"]
)
def test_memory_that_is_none(value):
    assert taken(MEMORY, value) is None


@given(st.text(max_size=70))
def test_labels(text):
    """Kubernetes' own rules: at most 63, alphanumeric ends, ASCII."""
    rule = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", re.ASCII)
    wanted = rule.fullmatch(text) is not None and len(text) <= 63
    assert (taken(VALUE, text) is not None) == wanted
    assert (taken(KEY, text) is not None) == (wanted and text != "") or "/" in text


@pytest.mark.parametrize("key", ["/x", "A/x", "a/b/c", "a/", "x" * 64, "é/x", f"{'p' * 254}/x"])
def test_keys_that_are_none(key):
    assert taken(KEY, key) is None
