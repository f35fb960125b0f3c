"""Every place that a model store can lie in does what a place must."""

import uuid
from collections.abc import Iterator

import pytest
from place_suite import PlaceConformance


class TestFolder(PlaceConformance):
    uri = staticmethod(str)


class TestMemory(PlaceConformance):
    uri = staticmethod(lambda folder: f"memory://store-{uuid.uuid4().hex}")


class TestS3(PlaceConformance):
    """A server that speaks S3, on loopback."""

    uri = staticmethod(lambda folder: f"s3://bertworks/{uuid.uuid4().hex}")

    @pytest.fixture(scope="class", autouse=True)
    def bucket(self) -> Iterator[None]:
        server_of = pytest.importorskip("moto.server", reason="moto is not installed: make setup")
        s3fs = pytest.importorskip("s3fs", reason="s3fs is not installed: make setup")
        server = server_of.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {
                "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
                "AWS_ACCESS_KEY_ID": "anyone",
                "AWS_SECRET_ACCESS_KEY": "anything",
                "AWS_DEFAULT_REGION": "us-east-1",
            }.items():
                patch.setenv(name, value)
            patch.setattr(s3fs.S3FileSystem, "cachable", False)
            s3fs.S3FileSystem().mkdir("bertworks")
            yield
        server.stop()
