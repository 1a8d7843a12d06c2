"""In the tests, the host id.localhost is this machine. Python loads this file when it starts."""

import socket

look_up = socket.getaddrinfo


def look_up_here(host, *rest, **named):
    return look_up("127.0.0.1" if host == "id.localhost" else host, *rest, **named)


socket.getaddrinfo = look_up_here
