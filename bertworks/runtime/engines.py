"""The engines that run a bundle's graph: onnxruntime and OpenVINO behind one small interface."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bertworks.contracts.bundle import EngineFile
from bertworks.cpus import available_threads, instructions
from bertworks.errors import ArtifactError

SPIN = 100
"""Microseconds that an idle thread of ONNX Runtime waits awake: the gaps between products are less."""

EXACT = frozenset({"avx512_vnni", "avx_vnni"})
"""With one of these instructions ONNX Runtime sums int8 products exactly. On x86 without them it sums
pairs in 16 bits, which overflow: a bundle would answer otherwise than where it was measured. So it is
told to be exact there, by other products; with VNNI those would take twice the time, for the same."""

KERNELS = 500
"""How much OpenVINO keeps of the shapes that it has met, a stream: kernels and their memory. Its own
5,000 let a server of MiniLM's size grow to gigabytes under load, as each batch has a shape of its own:
after 160 shapes on one thread 1.5 GB, with 500 0.6 GB. A shape that was dropped is prepared anew."""
PRECISION = "INFERENCE_PRECISION_HINT"
NATIVE_BFLOAT16 = frozenset({"avx512_bf16", "amx_bf16"})
"""Without one of these instructions OpenVINO computes products in bfloat16 by many others: on a Xeon of
the second generation a graph in bfloat16 takes many times as long as in float32, and one in int8, of
which the rest is in bfloat16, 1.7 times. So it is told to use float32 there, which is also exacter."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


class Engine(Protocol):
    """A loaded graph. Any number of threads may call `run`.

    Attributes:
        threads: CPU threads of one run.
    """

    @property
    def threads(self) -> int: ...

    def side_by_side(self) -> Engine:
        """The same graph, set up for `threads` runs at a time on one thread each.

        Batches that are computed so need not wait for each other, as threads of one run do after
        every product: a third more rows a second on two threads.
        """
        ...

    def run(
        self, input_ids: Integers, attention_mask: Integers, type_ids: Integers | None = None
    ) -> Floats:
        """Logits of a batch.

        Args:
            input_ids: Token ids, (batch, sequence).
            attention_mask: 1 for tokens, 0 for padding, (batch, sequence).
            type_ids: Token types, (batch, sequence); None: all 0.

        Returns:
            (batch, outputs), or (batch, sequence, outputs) for tagging.
        """
        ...


def load(folder: Path, engine: EngineFile | None, threads: int | None = None) -> Engine:
    """Loads the graph of a bundle.

    Args:
        folder: The bundle.
        engine: agent.json's "engine".
        threads: CPU threads of one run; None: all that may be used.

    Raises:
        ArtifactError: The engine is not one of ours or not installed, or refuses the graph.
    """
    engines: dict[Any, Callable[..., Engine]] = {"onnxruntime": OnnxRuntime, "openvino": OpenVino}
    name = engine and engine.name
    if engine is None or name not in engines:
        raise ArtifactError(
            f"{folder / 'agent.json'}: `engine.name` must be one of {', '.join(engines)}. "
            f"Received: {name!r}",
            "Load the bundle with the version of bertworks that made it.",
        )
    file = engine.file
    if Path(file).name != file or not (folder / file).is_file():
        raise ArtifactError(
            f"{folder / 'agent.json'}: `engine.file` must be the name of a file of the bundle. "
            f"Received: {file!r:.80}",
            "Make the bundle anew with the quantize step.",
        )
    try:
        return engines[engine.name](folder / file, engine.options, threads)
    except ImportError:
        raise ArtifactError(
            f"The bundle {folder} runs on {name}, which is not installed.", f"pip install {name}"
        ) from None
    except (RuntimeError, OSError) as error:
        raise ArtifactError(
            f"{name} cannot load {folder / file}: {error}",
            "Make the bundle anew with the quantize step on this machine.",
        ) from error


def import_openvino() -> Any:
    """Imports OpenVINO without its telemetry, which reports each import to a web service.

    A server in a closed network must not try to, and nobody here was asked. OpenVINO and NNCF do
    without where the telemetry package cannot be imported.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


class OnnxRuntime:
    """A graph in onnxruntime.

    Args:
        graph: The .onnx file, or the model as bytes.
        options: Nothing that is used at present.
        threads: CPU threads of one run; None: all that may be used.
    """

    def __init__(
        self, graph: Path | bytes, options: Mapping[str, Any], threads: int | None = None
    ) -> None:
        import onnxruntime

        self.threads = threads or available_threads()
        self._graph, self._options = graph, options
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = self.threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 3
        # Threads that spin for ever take the CPU from whatever else the machine does: the web
        # server's own thread, or other sessions, which become several times slower. Threads that
        # sleep at once are woken anew at each product, which takes a quarter of a short row's time.
        settings.add_session_config_entry("session.intra_op.spin_duration_us", str(SPIN))
        if not EXACT & instructions():
            settings.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = onnxruntime.InferenceSession(
                graph if isinstance(graph, bytes) else str(graph),
                settings,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # onnxruntime's errors share no base but Exception
            raise RuntimeError(str(error)) from error
        self._inputs = {one.name for one in self._session.get_inputs()}

    def side_by_side(self) -> OnnxRuntime:
        """As `Engine.side_by_side`: a session of one thread takes any number of runs at a time."""
        return self if self.threads == 1 else OnnxRuntime(self._graph, self._options, 1)

    def run(
        self, input_ids: Integers, attention_mask: Integers, type_ids: Integers | None = None
    ) -> Floats:
        """Logits of a batch, as `Engine.run`."""
        feeds = _feeds(self._inputs, input_ids, attention_mask, type_ids)
        return np.asarray(self._session.run(None, feeds)[0], np.float32)

    def outputs(
        self, input_ids: Integers, attention_mask: Integers, type_ids: Integers | None = None
    ) -> dict[str, Floats]:
        """All that the graph gives out, by name: the logits and what is observed."""
        feeds = _feeds(self._inputs, input_ids, attention_mask, type_ids)
        names = [one.name for one in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, feeds), strict=True))


class OpenVino:
    """A graph in OpenVINO.

    Args:
        graph: The .xml file, or an `openvino.Model`.
        options: Properties for `compile_model`, for example INFERENCE_PRECISION_HINT; bfloat16 holds
            only where the CPU has it.
        threads: CPU threads of one run; None: all that may be used.
    """

    def __init__(self, graph: Any, options: Mapping[str, Any], threads: int | None = None) -> None:
        openvino = import_openvino()
        self.threads = threads or available_threads()
        self._graph, self._options = graph, options
        core = openvino.Core()
        model = core.read_model(str(graph)) if isinstance(graph, Path) else graph
        properties = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            # Threads that are tied to a CPU wait when something else runs on it: beside other work
            # (a second agent, the web server) that halves the speed, and alone it gains nothing.
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": KERNELS,
            **options,
        }
        if not NATIVE_BFLOAT16 & instructions() and properties.get(PRECISION) == "bf16":
            properties[PRECISION] = "f32"
        self._compiled = core.compile_model(model, "CPU", properties)
        self._inputs = {one.get_any_name() for one in self._compiled.inputs}
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def side_by_side(self) -> OpenVino:
        """As `Engine.side_by_side`: as many streams as threads."""
        if self.threads == 1:
            return self
        streams = {**self._options, "NUM_STREAMS": self.threads}
        return OpenVino(self._graph, streams, self.threads)

    def run(
        self, input_ids: Integers, attention_mask: Integers, type_ids: Integers | None = None
    ) -> Floats:
        """Logits of a batch, as `Engine.run`."""
        feeds = _feeds(self._inputs, input_ids, attention_mask, type_ids)
        with self._request() as request:
            return np.asarray(request.infer(feeds, share_inputs=True)[0], np.float32)

    @contextmanager
    def _request(self) -> Iterator[Any]:
        """An infer request that no other thread uses; they are kept and used again."""
        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            yield request
        finally:
            self._idle.put(request)


def _feeds(
    inputs: set[str], ids: Integers, mask: Integers, types: Integers | None
) -> dict[str, Integers]:
    feeds = {"input_ids": ids, "attention_mask": mask}
    if "type_ids" in inputs:
        feeds["type_ids"] = np.zeros_like(ids) if types is None else types
    return {name: np.ascontiguousarray(value, np.int64) for name, value in feeds.items()}
