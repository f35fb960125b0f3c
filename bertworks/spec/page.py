"""What an agent's server tells of it: the spec's `serve.page`."""

from __future__ import annotations

from pydantic import Field

from bertworks.spec.section import Section


class Page(Section):
    """The page at `/` and the model card: all of it can be read by whoever may ask the agent."""

    enabled: bool = Field(True, description="Whether `/` shows the page to a browser.")
    examples: int = Field(
        0,
        ge=0,
        le=5000,
        description="Training rows, text and label, that are kept in the bundle to be shown beside "
        "texts that are like them; 0: none, as training texts are nobody's but yours.",
    )
    use: str = Field(
        "",
        description="For the model card: what it is meant for; the spec's description by default.",
    )
    limits: str = Field("", description="For the model card: what it must not be used for.")
    license: str = Field("", description="For the model card: the agent's licence.")
    contact: str = Field("", description="For the model card: whom to ask.")
