"""The HTTP server: kserve's protocols and model server, behind a gate that bounds what they see.

    connection   one client: headers, silence, slow reading
    gate         one request: body, place in line, who is still there, the log's line
    line         who waits, who is computed, and what is dropped at the end
    app          kserve's routes, with strict reading and refusals that say so
    model        kserve's model around an Agent
    log          escaped lines, without the client's text

kserve reads the command line when it is imported, and must not see ours: that is done here, before
any module of this package imports it.
"""

import sys

_arguments, sys.argv = sys.argv, sys.argv[:1]
try:
    import kserve  # noqa: F401
finally:
    sys.argv = _arguments
