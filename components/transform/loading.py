"""Loading tf.Transform without what it never uses here."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

# Keras looks for scikit-learn, Beam for MongoDB's client and, through BigQuery's, for notebook widgets:
# for wrappers and sources that no step uses. A fourth of the loading time.
UNUSED = ("sklearn", "ipywidgets", "pymongo")


@contextlib.contextmanager
def without(*packages: str) -> Iterator[None]:
    """Lets packages that are optional to what is imported in the block look as not installed.

    Those that are loaded already are left as they are; afterwards all can be imported as ever.
    """
    hidden = [name for name in packages if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
