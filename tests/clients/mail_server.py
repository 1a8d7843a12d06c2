"""A mail server that keeps the mails it takes in a folder: PORT MODE CERTIFICATE KEY FOLDER.

MODE is "starttls" (a client must switch to TLS, and then sign in) or "tls" (TLS from the first byte). The user is
"shop", the password "s3cret/pass". Mails to an address that begins with "reject" are refused.
"""

import asyncio
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("reject"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        number = len(list(self.folder.iterdir()))
        text = f"X-Recipient: {', '.join(envelope.rcpt_tos)}\r\n".encode() + envelope.content
        part = self.folder / f".{number}"
        part.write_bytes(text)
        part.rename(self.folder / f"{number}.eml")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    known = (b"shop", b"s3cret/pass")
    # Unless it is "handled", the server answers a wrong password with 535.
    return AuthResult(success=(data.login, data.password) == known, handled=False)


async def main(port, mode, certificate, key, folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    starts = mode == "starttls"

    def connection():
        return SMTP(
            Keeper(folder),
            hostname="localhost",
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=starts,
            tls_context=context if starts else None,
            require_starttls=starts,
        )

    loop = asyncio.get_running_loop()
    await loop.create_server(connection, "127.0.0.1", int(port), ssl=None if starts else context)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
