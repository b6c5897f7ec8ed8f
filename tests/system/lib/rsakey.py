"""A key pair of RSA for DKIM: what a signer needs, and what the DNS has."""
import base64
import os
import subprocess

import harness


def _openssl(*argv, stdin=b""):
    return subprocess.run([harness.tool("openssl"), *argv], input=stdin, check=True, capture_output=True, timeout=60).stdout


class RsaKey:
    """`pem`: the private key; `public`: the other one, base64 of SubjectPublicKeyInfo; `record`: a TXT record with it."""

    def __init__(self, bits=1024):
        self.pem = _openssl("genrsa", "-traditional", str(bits))
        self.public = base64.b64encode(_openssl("rsa", "-pubout", "-outform", "DER", stdin=self.pem)).decode()
        self.record = "v=DKIM1; k=rsa; p=" + self.public

    def write(self):
        """The path of a file with the private key, in a directory that goes with the test."""
        path = os.path.join(harness.temp_dir("key"), "key.pem")
        with open(path, "wb") as file:
            file.write(self.pem)
        return path
