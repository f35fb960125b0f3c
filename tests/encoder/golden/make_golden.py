"""Makes outputs.npz: what transformers computes for the random models of random_bert.py.

Run with the peers' Python from the repository's root:
    PYTHONPATH=.:tests/encoder .venv-peers/bin/python tests/encoder/golden/make_golden.py
"""

import tempfile
from pathlib import Path

import numpy as np
from random_bert import CONFIG, HEADS, random_inputs, random_weights
from transformers_outputs import outputs

from bertworks.models.weights import save_folder

if __name__ == "__main__":
    arrays = {}
    for kind, head in HEADS.items():
        with tempfile.TemporaryDirectory() as folder:
            save_folder(folder, CONFIG, random_weights(CONFIG, head), head)
            for name, value in outputs(folder, random_inputs()).items():
                arrays[f"{kind}/{name}"] = value
    np.savez_compressed(Path(__file__).parent / "outputs.npz", **arrays)
