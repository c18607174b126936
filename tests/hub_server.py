"""A Hugging Face hub on this machine, with as much of its interface as a download needs, and ways to fail on request.

`HubServer(repos)` serves {"owner/name": folder}. A repository listed in `failing` answers with that instead:
"busy" is 429, "gated" is 403 with the hub's own header, "private" is 401, "half" is a weight file cut in the middle,
"cut" the same but only at the first request, "pause" a 429 at the first request for the weights, "changed" a weight
file of which one bit is another.
"""

import hashlib
import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

REVISION = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Use it as a context manager.

    url: what HF_ENDPOINT should be. requests: the paths that were asked for. ranges: the "Range" of each weight file.
    """

    def __init__(self, repos: dict[str, Path], failing: dict[str, str] | None = None):
        self.repos, self.failing, self.requests, self.ranges = repos, failing or {}, [], []

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(path)
        words = path.strip("/").split("/")
        if words[:2] == ["api", "models"]:
            return self._describe("/".join(words[2:4]), words[4:])
        if len(words) > 4 and words[2] == "resolve":
            return self._send_file("/".join(words[:2]), "/".join(words[4:]))
        return self._answer(404, b"{}")

    do_HEAD = do_GET

    def _describe(self, repo: str, rest: list[str]):
        fault = self.hub.failing.get(repo)
        if fault == "busy":
            return self._answer(429, b'{"error": "too many requests"}', {"Retry-After": "0"})
        if fault == "gated":
            return self._answer(403, b'{"error": "gated"}', {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})
        if fault == "private" or repo not in self.hub.repos:
            status = 401 if fault == "private" else 404
            return self._answer(status, b'{"error": "no"}', {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"})
        folder = self.hub.repos[repo]
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if rest[:1] == ["tree"]:
            entries = [self._entry(folder, path, "path", "oid") | {"type": "file"} for path in files]
            return self._answer(200, json.dumps(entries).encode())
        siblings = [self._entry(folder, path, "rfilename", "blobId") for path in files]
        body = {"id": repo, "modelId": repo, "sha": REVISION, "siblings": siblings, "tags": [], "private": False}
        return self._answer(200, json.dumps(body).encode())

    @staticmethod
    def _entry(folder: Path, path: Path, name: str, blob: str) -> dict:
        data = path.read_bytes()
        entry = {name: path.relative_to(folder).as_posix(), "size": len(data), blob: hashlib.sha1(data).hexdigest()}
        if path.suffix == ".safetensors":
            digest = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"sha256": digest, "oid": digest, "size": len(data), "pointerSize": 130}
        return entry

    def _send_file(self, repo: str, name: str):
        path = self.hub.repos.get(repo, Path("/nowhere")) / name
        if not path.is_file():
            return self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
        data = path.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "X-Repo-Commit": REVISION}
        if self.command == "GET" and name.endswith(".safetensors"):
            return self._send_weights(self.hub.failing.get(repo), data, headers)
        return self._answer(200, data, headers)

    def _send_weights(self, fault: str | None, data: bytes, headers: dict):
        self.hub.ranges.append(self.headers.get("Range"))
        is_first = len(self.hub.ranges) == 1
        if fault == "pause" and is_first:
            return self._answer(429, b"", {"Retry-After": "0"})
        if fault == "changed":
            data = data[:-1] + bytes([data[-1] ^ 1])
        start, whole = 0, len(data)
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(asked[1])
            headers |= {"Content-Range": f"bytes {start}-{whole - 1}/{whole}"}
        half = fault == "half" or (fault == "cut" and is_first)
        return self._answer(206 if start else 200, data[start:], headers, send=whole // 2 if half else None)

    def _answer(self, status: int, body: bytes, headers: dict | None = None, send: int | None = None):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:send])
        if send is not None:
            self.close_connection = True

    def log_message(self, *_):
        """Keep the test's output clean."""
