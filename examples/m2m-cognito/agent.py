#!/usr/bin/env python3
"""Calls the API as a machine, with a token that is renewed before it ends. Needs nothing but Python 3.9.

    agent.py https://api.lab.example/db/locations

As a module: `Agent(...).call(url)` as often as you like; one token serves until a fifth of its life is left, at most five
minutes. It is kept in memory alone, and neither it nor the secret is ever printed. Settings are those of token.sh.
"""

import base64
import json
import os
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request


class AgentError(Exception):
    """What went wrong, in words that hold no secret."""

    def __init__(self, message, status=None, code=None):
        super().__init__(message)
        self.status = status
        self.code = code


class NoRedirects(urllib.request.HTTPRedirectHandler):
    """A token is for the host that was asked."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirects)
TRIALS = ("localhost", "127.0.0.1")


def require_safe(url):
    parts = urllib.parse.urlsplit(url)
    here = parts.hostname is not None and (parts.hostname in TRIALS or parts.hostname.endswith(".localhost"))
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise AgentError(f"{url} is not https")


def send(request, within):
    try:
        with OPENER.open(request, timeout=within) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        raise AgentError(f"{request.host} cannot be reached: {type(error).__name__}") from None


def field(body, name):
    try:
        value = json.loads(body).get(name)
    except (ValueError, AttributeError):
        return None
    return value if isinstance(value, str) else None


class Agent:
    def __init__(self, token_url, client_id, secret, scope=""):
        require_safe(token_url)
        self._token_url = token_url
        # Called at each renewal, so that a secret that was changed is taken up without a restart.
        self._secret = secret if callable(secret) else lambda: secret
        self._client_id = client_id
        self._scope = scope
        self._lock = threading.Lock()
        self._token = None
        self._renew_at = 0.0

    def call(self, url, method="GET", body=None, headers=None):
        """The body of an answer of 2xx. Raises AgentError for everything else."""
        require_safe(url)
        token = self._fresh(None)
        status, answer = self._once(url, method, body, headers, token)
        if status == 401:
            # The token was revoked, or the issuer changed its keys: one new one, and no more; that of another thread, if it has one.
            status, answer = self._once(url, method, body, headers, self._fresh(token))
        if 200 <= status < 300:
            return answer
        code = field(answer, "code")
        raise AgentError(f"{url} answered {status} {code or ''}".rstrip(), status, code)

    def _once(self, url, method, body, headers, token):
        own = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        request = urllib.request.Request(url, data=body, method=method, headers={**(headers or {}), **own})
        return send(request, 60)

    def _fresh(self, refused):
        with self._lock:
            if self._token is None or self._token is refused or time.monotonic() >= self._renew_at:
                self._token, self._renew_at = self._obtain()
            return self._token

    def _obtain(self):
        form = {"grant_type": "client_credentials"}
        if self._scope:
            form["scope"] = self._scope
        proof = base64.b64encode(f"{self._client_id}:{self._secret()}".encode()).decode()
        asked = time.monotonic()
        headers = {"Authorization": f"Basic {proof}", "Content-Type": "application/x-www-form-urlencoded"}
        request = urllib.request.Request(self._token_url, data=urllib.parse.urlencode(form).encode(), method="POST", headers=headers)
        status, answer = send(request, 20)
        if status != 200:
            error = field(answer, "error")
            raise AgentError(f"the token endpoint answered {status} {error or ''}".rstrip(), status, error)
        token = field(answer, "access_token")
        life = json.loads(answer).get("expires_in")
        if token is None or not isinstance(life, (int, float)):
            raise AgentError("the token endpoint answered without a token")
        return token, asked + life - min(300, life / 5)


def setting(name):
    value = os.environ.get(name, "")
    if value == "":
        raise AgentError(f"set {name}")
    return value


def secret_of_the_settings():
    path = os.environ.get("M2M_CLIENT_SECRET_FILE", "")
    if path == "":
        return setting("M2M_CLIENT_SECRET")
    with open(path, encoding="utf-8") as file:
        return file.read().strip()


def main():
    if len(sys.argv) != 2:
        raise AgentError("usage: agent.py URL")
    agent = Agent(setting("TOKEN_URL"), setting("M2M_CLIENT_ID"), secret_of_the_settings, os.environ.get("SCOPE", ""))
    sys.stdout.buffer.write(agent.call(sys.argv[1]))


if __name__ == "__main__":
    try:
        main()
    except (AgentError, OSError) as error:
        sys.exit(str(error))
