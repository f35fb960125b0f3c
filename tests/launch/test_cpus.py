"""The container's limit, as both versions of control groups say it, and the CPUs' instructions."""

import os

import pytest

from bertworks import cpus


@pytest.mark.parametrize(
    ("files", "share"),
    [
        ({"cpu.max": "200000 100000\n"}, 2.0),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": ""}, None),
        ({"cpu/cpu.cfs_quota_us": "150000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "1\n", "cpu/cpu.cfs_period_us": "0\n"}, None),
        ({}, None),
    ],
)
def test_quota(tmp_path, files, share):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert cpus.quota(tmp_path) == share


@pytest.mark.parametrize(("share", "threads"), [(0.5, 1), (1.0, 1), (1e6, None), (None, None)])
def test_threads_are_those_of_the_share_and_never_more_than_the_machine_has(
    monkeypatch, share, threads
):
    monkeypatch.setattr(cpus, "quota", lambda: share)
    assert cpus.available_threads() == (threads or len(os.sched_getaffinity(0)))


def test_libraries_are_told_of_a_limit_unless_the_spec_said_otherwise(monkeypatch):
    environment = {"OMP_NUM_THREADS": "3"}
    monkeypatch.setattr(cpus, "quota", lambda: None)
    cpus.bound_threads(environment)
    assert environment == {"OMP_NUM_THREADS": "3"}
    monkeypatch.setattr(cpus, "quota", lambda: 0.5)
    cpus.bound_threads(environment)
    assert environment == {
        "OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
    }  # fmt: skip


def test_instructions_and_vendor_are_those_that_linux_names(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2 avx512_vnni\nbugs\t: x\n"
    )
    assert cpus.instructions(file) == {"fpu", "avx2", "avx512_vnni"}
    assert cpus.instructions(tmp_path / "none") == set()
    assert (cpus.vendor(file), cpus.vendor(tmp_path / "none")) == ("AuthenticAMD", "")
