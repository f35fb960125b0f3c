"""Where else a run's numbers go: a tracking server that the company has."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, field_validator

from bertworks.secrets import masked, secret_in
from bertworks.spec.section import Section


class Track(Section):
    """A tracking server beside the run's own record. One that is not reached never fails a run."""

    mlflow: str | None = Field(
        None,
        description="Address of an MLflow server, for example http://mlflow.example.com:5000. It gets "
        "the spec's values, metrics, curves, trials as nested runs, the report and the bundle's digest. "
        "What it asks for stands in the environment, as for MLflow itself: MLFLOW_TRACKING_TOKEN, or "
        "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.",
    )
    experiment: str | None = Field(
        None,
        min_length=1,
        description="The experiment in which the runs appear. None: the agent's name.",
    )

    @field_validator("mlflow")
    @classmethod
    def _is_an_address_without_secrets(cls, uri: str | None) -> str | None:
        if uri is None:
            return None
        if found := secret_in(uri):
            raise ValueError(
                f"a secret does not belong in a spec, and {found} may be one: set in the environment "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN. "
                f"Received: {masked(uri)}"
            )
        try:
            parts = urlsplit(uri)
            named = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:  # no address, or no port
            named = False
        if not named:
            raise ValueError(
                "`mlflow` must be the address of a server, http:// or https://. A folder of runs is "
                f"shown by one: mlflow server --backend-store-uri FOLDER. Received: {masked(uri)}"
            )
        return uri
