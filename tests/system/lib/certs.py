"""Certificates for tests, made by the openssl program: one authority and what it signs. Keys are ECDSA P-256 unless said
otherwise (RSA takes its time).

    ca = certs.Authority()
    pair = ca.issue("mx.weir.test", "*.example.test")      # pair.certificate, pair.key: paths; pair.fingerprint()
    context = ca.client_context()                           # an ssl.SSLContext that trusts it
"""
import os
import ssl
import subprocess

from harness import temp_dir


def _openssl(*arguments, input=None):
    done = subprocess.run(["openssl", *arguments], input=input, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise RuntimeError("openssl %s: %s" % (" ".join(arguments), done.stderr.decode(errors="replace")))
    return done.stdout


class Pair:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def fingerprint(self):
        """SHA-256 in openssl's form: AB:CD:..."""
        text = _openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256").decode()
        return text.strip().split("=", 1)[1]

    def server_context(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    def __init__(self, name="Test CA", directory=None):
        self.directory = directory or temp_dir("certs")
        self.count = 0
        self.certificate = os.path.join(self.directory, "ca.pem")
        self.key = os.path.join(self.directory, "ca.key")
        self._make_key(self.key, "ec")
        _openssl("req", "-x509", "-new", "-key", self.key, "-subj", "/CN=" + name, "-days", "30",
                 "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign",
                 "-out", self.certificate)

    @staticmethod
    def _make_key(path, kind):
        if kind == "rsa":
            _openssl("genrsa", "-out", path, "2048")
        else:
            _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path)

    def issue(self, *names, kind="ec", days=10, stem=None):
        """A certificate for these DNS names; the first is its common name. `stem`: file names to use (they are replaced)."""
        self.count += 1
        stem = os.path.join(self.directory, stem or "cert%d" % self.count)
        request, extensions = stem + ".csr", stem + ".ext"
        self._make_key(stem + ".key", kind)
        with open(extensions, "w", encoding="ascii") as file:
            file.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % ",".join("DNS:" + n for n in names))
        _openssl("req", "-new", "-key", stem + ".key", "-subj", "/CN=" + names[0], "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-set_serial",
                 str(1000 + self.count), "-days", str(days), "-extfile", extensions, "-out", stem + ".pem")
        return Pair(stem + ".pem", stem + ".key")

    def client_context(self, pair=None):
        context = ssl.create_default_context(cafile=self.certificate)
        if pair:
            context.load_cert_chain(pair.certificate, pair.key)
        return context
