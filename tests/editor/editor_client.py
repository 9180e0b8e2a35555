"""A client of yaml-language-server over its standard streams: just enough to ask what an editor would show."""

import json
import subprocess
from pathlib import Path
from typing import Any


class LanguageServer:
    """A running server with one schema for every file."""

    def __init__(self, program: Path, schema: Path) -> None:
        self._schema = schema
        self._process = subprocess.Popen(
            ["node", str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self._next = 0
        self.request("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
        self._send({"method": "initialized", "params": {}})

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def diagnostics(self, path: Path, text: str) -> list[dict[str, Any]]:
        """What the server marks in a text."""
        uri = self._open(path, text)
        while True:
            message = self._receive()
            if message.get("method") == "textDocument/publishDiagnostics" and message["params"]["uri"] == uri:
                found: list[dict[str, Any]] = message["params"]["diagnostics"]
                return found

    def completions(self, path: Path, text: str, line: int, character: int) -> list[str]:
        """The labels that the server offers at a place, both counted from 0."""
        self.diagnostics(path, text)
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}
        return [item["label"] for item in self.request("textDocument/completion", place)["items"]]

    def hover(self, path: Path, text: str, line: int, character: int) -> str:
        """The text that the server shows over a place."""
        self.diagnostics(path, text)
        place = {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": character}}
        found = self.request("textDocument/hover", place)
        return str(found["contents"]["value"]) if found else ""

    def request(self, method: str, params: dict[str, Any]) -> Any:
        self._next += 1
        self._send({"id": self._next, "method": method, "params": params})
        while True:
            message = self._receive()
            if message.get("id") == self._next and "method" not in message:
                return message.get("result")

    def _open(self, path: Path, text: str) -> str:
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})
        return path.as_uri()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while line := self._process.stdout.readline().strip():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        if "id" in message and "method" in message:
            self._answer(message)
        return message

    def _answer(self, message: dict[str, Any]) -> None:
        """The server asks for its settings, and registers capabilities."""
        result: Any = None
        if message["method"] == "workspace/configuration":
            settings = {
                "yaml": {
                    "schemas": {self._schema.as_uri(): "*.yaml"},
                    "schemaStore": {"enable": False},
                    "completion": True,
                    "hover": True,
                    "validate": True,
                }
            }
            result = [settings.get(item.get("section")) for item in message["params"]["items"]]
        self._send({"id": message["id"], "result": result})
