"""What a classifier of many labels begins with: a regression on the encoder as it is before training.

Linear probing, then fine-tuning (Kumar et al., "Fine-Tuning can Distort Pretrained Features and
Underperform Out-of-Distribution" (2022), section 3.4). A classifier that begins at random has to find a
direction for each of its labels, in steps of the learning rate. With many labels that takes epochs, in
which the encoder follows a classifier that knows nothing.
"""

from __future__ import annotations

import warnings

import numpy as np

from bertworks.models import layout
from bertworks.models.layout import Weights
from bertworks.models.model import MANY_OUTPUTS, BertModel, get_weights
from bertworks.training.objectives.labelled import Predictor
from bertworks.training.rows import LabelledRows

ROWS = 20_000
"""Training rows that are looked at: of more, a sample with a row of each label at least."""
ROWS_BY_LABELS = 5_000_000
"""Rows times labels, which is what an iteration takes: of a thousand labels 5,000 rows are looked at."""
INVERSE_STRENGTH = 0.1
"""scikit-learn's C, of features divided by the standard deviation of them all."""
ITERATIONS = 60


def is_worth_it(model: BertModel, initial: Weights) -> bool:
    """Whether a classifier begins better so: it is new, has many labels, and the encoder is trained."""
    head = model.head
    one_of_many = head.problem_type == "single_label_classification" and head.outputs > MANY_OUTPUTS
    return one_of_many and bool(initial) and f"{layout.CLASSIFIER}.weight" not in initial


def classifier_of(
    model: BertModel,
    rows: LabelledRows,
    seed: int,
    pad: int = 0,
    label_weights: np.ndarray | None = None,
) -> Weights:
    """Weights of a classifier that is fitted on the pooled first tokens, by name.

    Args:
        model: With a sequence head. It stays as it is.
        rows: To train on; targets are label indices.
        seed: Which rows are looked at where there are many.
        pad: The token id of padding.
        label_weights: What the loss multiplies each label's rows by.

    Returns:
        (outputs, hidden) and (outputs,); nothing where the rows have fewer than three labels.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    rows = rows.take(_looked_at(rows.targets, model.head.outputs, seed))
    targets = np.asarray(rows.targets)
    if len(np.unique(targets)) <= 2:
        return {}
    weights = get_weights(model)
    pooled = np.tanh(
        Predictor(model).first_states(rows, pad) @ weights[f"{layout.POOLER}.weight"].T
        + weights[f"{layout.POOLER}.bias"]
    )
    scale = max(float(pooled.std()), 1e-6)
    regression = LogisticRegression(C=INVERSE_STRENGTH, max_iter=ITERATIONS)
    # One thread: several wait for each other on a busy machine, and their number changes the last bits.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # where it has come to is good enough
        regression.fit(
            pooled / scale, targets, None if label_weights is None else label_weights[targets]
        )
    kernel = np.zeros_like(weights[f"{layout.CLASSIFIER}.weight"])
    bias = np.full(len(kernel), regression.intercept_.min(), np.float32)  # of labels without a row
    kernel[regression.classes_] = regression.coef_ / scale
    bias[regression.classes_] = regression.intercept_
    return {f"{layout.CLASSIFIER}.weight": kernel, f"{layout.CLASSIFIER}.bias": bias}


def _looked_at(targets: np.ndarray, labels: int, seed: int) -> np.ndarray:
    """Places of the rows that are looked at, rising; those without a label are not."""
    order = np.random.default_rng(seed).permutation(len(targets))
    order = order[targets[order] >= 0]
    first = np.sort(np.unique(targets[order], return_index=True)[1])
    most = max(min(ROWS, ROWS_BY_LABELS // labels), len(first))
    rest = np.delete(order, first)[: most - len(first)]
    return np.sort(np.concatenate([order[first], rest]))
