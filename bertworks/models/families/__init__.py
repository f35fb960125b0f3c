"""The families of encoders that are read, one file each; after ingest there is BERT's layout alone."""

from __future__ import annotations

from bertworks.models.families import distilbert, electra, mpnet, roberta
from bertworks.models.families.family import Family

BERT = "bert"
FAMILIES: dict[str, Family] = {
    family.model_type: family
    for family in (*roberta.FAMILIES, distilbert.FAMILY, electra.FAMILY, mpnet.FAMILY)
}
"""By config.json's `model_type`; a BERT is taken as it is."""
MODEL_TYPES = (BERT, *FAMILIES)
