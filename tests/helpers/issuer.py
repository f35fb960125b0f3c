"""An OpenID Connect issuer of a test's own: keys, tokens, and its key set."""

import json
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER, AUDIENCE = "https://issuer.example", "bertworks"
ALGORITHMS = {
    "RS256": jwt.algorithms.RSAAlgorithm,
    "ES256": jwt.algorithms.ECAlgorithm,
    "EdDSA": jwt.algorithms.OKPAlgorithm,
}


class Issuer:
    """Signs tokens; `down` makes its key set unreachable."""

    def __init__(self):
        self.keys, self.asked, self.down = {}, 0, False

    def add(self, kid, algorithm="ES256"):
        """A new key of that id."""
        made = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()
        self.keys[kid] = (algorithm, made)
        return self

    def key_set(self, url=""):
        """What it answers at its URL."""
        self.asked += 1
        if self.down:
            raise OSError("the issuer is down")
        records = []
        for kid, (algorithm, key) in self.keys.items():
            record = json.loads(ALGORITHMS[algorithm].to_jwk(key.public_key()))
            records.append({**record, "kid": kid, "use": "sig"})
        return json.dumps({"keys": records}).encode()

    def token(self, kid, headers=None, drop=(), **claims):
        """A token by that key; claims stand for the usual ones."""
        algorithm, key = self.keys[kid]
        said = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": "ann@example.org", "exp": time.time() + 600, **claims,
        }  # fmt: skip
        said = {name: value for name, value in said.items() if name not in drop}
        return jwt.encode(said, key, algorithm, headers={"kid": kid, **(headers or {})})
