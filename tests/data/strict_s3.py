"""An S3 for tests: moto's server, behind a door that judges signed URLs as Amazon does (moto takes any).

    python strict_s3.py PORT SECRET

The signature is computed by botocore, from the request as it came; a body other than its checksum says is refused.
"""

import base64
import hashlib
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple


class Door:
    """A WSGI application around another."""

    def __init__(self, app: Any, secret: str) -> None:
        self.app = app
        self.secret = secret

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Let in, or refuse as S3 does."""
        if "X-Amz-Signature" in environ["QUERY_STRING"]:
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = BytesIO(body)
            if wrong := self._wrong(environ, body):
                status, code = wrong
                start(status, [("content-type", "application/xml")])
                return [f"<Error><Code>{code}</Code></Error>".encode()]
        answer: Iterable[bytes] = self.app(environ, start)
        return answer

    def _wrong(self, environ: dict[str, Any], body: bytes) -> tuple[str, str] | None:
        asked = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        at = datetime.strptime(asked["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if datetime.now(UTC) > at + timedelta(seconds=int(asked["X-Amz-Expires"])):
            return "403 Forbidden", "AccessDenied"
        headers = {}
        for name in asked["X-Amz-SignedHeaders"].split(";"):
            key = name.upper().replace("-", "_")
            headers[name] = environ.get(key if key.startswith("CONTENT_") else f"HTTP_{key}", "")
        query = "&".join(part for part in environ["QUERY_STRING"].split("&") if not part.startswith("X-Amz-Signature"))
        request = AWSRequest(
            environ["REQUEST_METHOD"], f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}?{query}", headers
        )
        request.context["timestamp"] = asked["X-Amz-Date"]
        id, _, region = asked["X-Amz-Credential"].split("/")[:3]
        auth = S3SigV4QueryAuth(Credentials(id, self.secret), "s3", region)
        right = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
        if right != asked["X-Amz-Signature"]:
            return "403 Forbidden", "SignatureDoesNotMatch"
        checksum = environ.get("HTTP_X_AMZ_CHECKSUM_SHA256")
        if checksum and checksum != base64.b64encode(hashlib.sha256(body).digest()).decode():
            return "400 Bad Request", "BadDigest"
        return None


if __name__ == "__main__":
    app = DomainDispatcherApplication(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), Door(app, sys.argv[2]), threaded=True)
