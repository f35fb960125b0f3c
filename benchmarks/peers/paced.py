"""A transformers Trainer that goes on by as many steps as are asked for.

Runs in the peers' environment. Requests: `{"steps": n}` trains n steps and answers their seconds and
what was in them; `{"evaluate": true}` answers what the script measures.
"""

import os
import queue
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from transformers import Trainer, TrainerCallback, TrainingArguments

from benchmarks.harness.sides import serve


def arguments(**settings: Any) -> TrainingArguments:
    """Training arguments of a run that neither logs nor saves."""
    return TrainingArguments(
        output_dir=str(Path(tempfile.gettempdir()) / "bertworks-unused"),
        use_cpu=True,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **settings,
    )


class CountingTrainer(Trainer):
    """A Trainer that knows how many tokens it was given."""

    tokens = 0
    places = 0

    def training_step(self, model: Any, inputs: dict[str, Any], *more: Any, **named: Any) -> Any:
        """The Trainer's own, counted."""
        self.tokens += int(inputs["attention_mask"].sum())
        self.places += inputs["attention_mask"].numel()
        return super().training_step(model, inputs, *more, **named)


class Pace(TrainerCallback):
    """Holds a Trainer between requests; fetching the steps' batches is part of their time."""

    def __init__(self, trainer: CountingTrainer, evaluate: Any) -> None:
        self._trainer, self._evaluate = trainer, evaluate
        self._requests: queue.Queue[dict[str, Any]] = queue.Queue()
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._asked = self._left = self._tokens = self._places = 0
        self._began = 0.0

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Hands a request to the training thread and waits for its answer."""
        self._requests.put(request)
        return self._answers.get()

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Waits for the first request."""
        self._wait(0)

    def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
        """Answers after the last step that was asked for."""
        self._left -= 1
        if self._left > 0:
            return
        seconds = time.perf_counter() - self._began
        tokens = self._trainer.tokens - self._tokens
        places = self._trainer.places - self._places
        found = {"seconds": seconds, "steps": self._asked, "tokens": tokens, "places": places}
        self._answers.put(found)
        self._wait(state.global_step)

    def _wait(self, step: int) -> None:
        while "steps" not in (request := self._requests.get()):
            value = self._evaluate()
            self._answers.put(
                {"value": value, "step": step, "total": self._trainer.state.max_steps}
            )
        self._asked = self._left = request["steps"]
        self._tokens, self._places = self._trainer.tokens, self._trainer.places
        self._began = time.perf_counter()


def serve_training(trainer: CountingTrainer, evaluate: Any) -> None:
    """Trains at the pace of the requests, until standard input ends."""
    pace = Pace(trainer, evaluate)
    trainer.add_callback(pace)

    def listen() -> None:
        serve(pace.answer)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    trainer.train()
    raise SystemExit("error: the Trainer ended; ask for fewer steps")
