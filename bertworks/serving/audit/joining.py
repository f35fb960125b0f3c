"""The audit log joins a server."""

from __future__ import annotations

from pathlib import Path

from bertworks.serving import log
from bertworks.serving.assembly import Serving
from bertworks.serving.audit.log import AuditLog
from bertworks.serving.audit.observer import Auditor
from bertworks.spec.audit import Audit


def join(serving: Serving, settings: Audit) -> None:
    """Has a server keep who asked what, where a folder is named for it.

    Args:
        serving: The server, before it starts.
        settings: What is kept, and where.

    Raises:
        EnvironmentFault: Another server writes there, or nobody can.
    """
    if settings.folder is None:
        return
    kept = AuditLog(
        Path(settings.folder), int(settings.max_mb * 2**20), settings.sync, log.LOGGER.warning
    )
    auditor = Auditor(kept, settings)
    serving.observers.record(auditor)
    serving.closed.append(auditor.close)
