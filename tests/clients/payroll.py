"""The API of the app Payroll, which accepts the access tokens of its users. With PyJWT and Flask.

Usage: payroll.py ISSUER

Prints the port on which it listens.
"""

import sys

import jwt
import requests
from flask import Flask, jsonify, request
from werkzeug.serving import make_server

APP = "payroll"
issuer = sys.argv[1]
metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=5).json()
# Keeps the keys, and asks for them again when a token names another one.
keys = jwt.PyJWKClient(metadata["jwks_uri"], timeout=5)
app = Flask(__name__)


def verified(token):
    """The claims of an access token, if it is valid and for this app."""
    token = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["EdDSA", "ES256"],
        issuer=issuer,
        audience=APP,
        leeway=30,
        options={"require": ["iss", "aud", "exp", "iat", "sub"]},
    )
    # An ID token shows a program who signed in, and opens nothing (RFC 9068 section 4).
    if token["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    return token["payload"]


def refused(status, error):
    return jsonify(error=error), status, {"WWW-Authenticate": f'Bearer error="{error}"'}


@app.get("/payslips")
def payslips():
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return jsonify(error="token_missing"), 401, {"WWW-Authenticate": "Bearer"}
    try:
        claims = verified(token)
    except jwt.PyJWKClientConnectionError:
        return jsonify(error="temporarily_unavailable"), 503
    except jwt.PyJWTError:
        return refused(401, "invalid_token")
    if "payslips.read" not in claims.get("scope", "").split(" "):
        return refused(403, "insufficient_scope")
    # Each business has payslips of its own.
    return jsonify(business=claims["tid"], person=claims["sub"], payslips=[])


server = make_server("127.0.0.1", 0, app, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
