"""The peer: AutoGluon MultiModal with the same checkpoint, rows and minutes, on CPU.

Its presets are its own; it is given the folder of the checkpoint, the task's metric and a time limit, as
its documentation says.
"""

import os
import time
from typing import Any

from benchmarks.harness.sides import serve

os.environ["HF_HUB_OFFLINE"] = "1"  # the checkpoint is a folder


class Predictor:
    """One fitted predictor, which answers requests."""

    def __init__(self) -> None:
        self._predictor: Any = None
        self._test: Any = None
        self._timed: Any = None

    def answer(self, request: Any) -> Any:
        """Fits where the request is a job; "throughput" gives the seconds for the rows to be timed."""
        if isinstance(request, dict):
            return self._fit(request)
        began = time.perf_counter()
        self._predictor.predict(self._timed)
        return time.perf_counter() - began

    def _fit(self, job: dict[str, Any]) -> dict[str, float]:
        """Fits, and scores the test rows.

        Args:
            job: `train`, `validation`, `test` and `timed` (columns of rows), `label` (the one that is
                learned), `kind` ("binary", "multiclass" or "regression"), `metric` (as AutoGluon calls
                it), `minutes`, `checkpoint` and `folder`, `seed`.
        """
        import pandas as pd
        from autogluon.multimodal import MultiModalPredictor

        parts = {name: pd.DataFrame(job[name]) for name in ("train", "validation", "test", "timed")}
        self._test, self._timed = parts["test"], parts["timed"].drop(columns=job["label"])
        self._predictor = MultiModalPredictor(
            label=job["label"],
            problem_type=job["kind"],
            eval_metric=job["metric"],
            path=job["folder"],
            verbosity=1,
        )
        began = time.perf_counter()
        self._predictor.fit(
            parts["train"],
            tuning_data=parts["validation"],
            time_limit=60 * job["minutes"],
            seed=job["seed"],
            hyperparameters={
                "model.names": ["hf_text"],
                "model.hf_text.checkpoint_name": job["checkpoint"],
                "env.num_gpus": 0,
            },
        )
        minutes = (time.perf_counter() - began) / 60
        scores = self._predictor.evaluate(self._test, metrics=[job["metric"]])
        return {"value": float(scores[job["metric"]]), "minutes": minutes}


if __name__ == "__main__":
    serve(Predictor().answer)
