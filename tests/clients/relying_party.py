"""An app that signs its users in with Authlib, the usual OpenID Connect library of Flask.

Usage: relying_party.py ISSUER CLIENT_ID CLIENT_SECRET

Prints the port on which it listens.
"""

import os
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

from authlib.integrations.flask_client import OAuth  # noqa: E402
from flask import Flask, jsonify, redirect, request, session  # noqa: E402
from joserfc import jwt  # noqa: E402
from joserfc.jwk import KeySet  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

issuer, client_id, client_secret = sys.argv[1:4]
app = Flask(__name__)
app.secret_key = os.urandom(32)
oauth = OAuth(app)
provider = oauth.register(
    "tenantry",
    client_id=client_id,
    client_secret=client_secret,
    server_metadata_url=f"{issuer}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
)
# The sessions that have not ended, by the sid of their ID tokens.
live = {}


@app.get("/login")
def login():
    return provider.authorize_redirect(f"http://127.0.0.1:{port}/callback")


@app.get("/callback")
def callback():
    # Checks the state, exchanges the code with the verifier, and verifies signature, iss, aud, exp and nonce.
    token = provider.authorize_access_token()
    if request.args.get("iss") != issuer:
        return "another provider answered", 400
    claims = dict(token["userinfo"])
    live[claims["sid"]] = token["id_token"]
    session["claims"] = claims
    session["email"] = provider.userinfo(token=token)["email"]
    return redirect("/")


@app.get("/")
def home():
    claims = session.get("claims")
    if not claims or claims["sid"] not in live:
        return jsonify(signed_in=False)
    return jsonify(signed_in=True, email=session["email"], sub=claims["sub"], roles=claims["roles"])


@app.get("/logout")
def logout():
    back = f"http://127.0.0.1:{port}/bye"
    hint = live[session["claims"]["sid"]]
    return redirect(provider.create_logout_url(post_logout_redirect_uri=back, id_token_hint=hint)["url"])


@app.post("/backchannel-logout")
def backchannel_logout():
    keys = KeySet.import_key_set(provider.fetch_jwk_set(force=True))
    token = jwt.decode(request.form["logout_token"], keys, algorithms=["EdDSA", "ES256"])
    rules = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer}, aud={"essential": True, "value": client_id},
        sid={"essential": True}, exp={"essential": True},
    )
    rules.validate(token.claims)
    if "http://schemas.openid.net/event/backchannel-logout" not in token.claims["events"] or "nonce" in token.claims:
        return "no logout token", 400
    live.pop(token.claims["sid"], None)
    return "", 200


server = make_server("127.0.0.1", 0, app, threaded=True)
port = server.server_port
print(port, flush=True)
server.serve_forever()
