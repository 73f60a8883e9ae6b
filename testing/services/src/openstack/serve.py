"""One OpenStack service: serve.py KIND NAME STATE PORT

Listens, makes its database if there is none, then serves on 127.0.0.1:PORT. Connections that come earlier wait.
Lives as long as whoever holds the other end of standard input; when that one has died, it also removes the state.
Exit status 98: the port is taken.
"""
import errno
import logging
import os
import shutil
import signal
import socket
import sys
import threading

KIND, NAME, STATE, PORT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
del sys.argv[1:]  # the services read sys.argv as well


def live_with_starter():
    while os.read(0, 1):
        pass
    # A graceful stop is a signal. End of file means that the starter is gone and cleans up nothing.
    for _ in range(20):
        shutil.rmtree(STATE, ignore_errors=True)
        if not os.path.exists(STATE):
            break
    os._exit(1)


def listening_socket():
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(('127.0.0.1', PORT))
        # At once, not when the application is there: two sockets can be bound, but only one can listen.
        listener.listen(1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            sys.exit(98)
        raise
    return listener


os.umask(0o077)
signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter
threading.Thread(target=live_with_starter, daemon=True).start()
listener = listening_socket()

import applications  # noqa: E402  seconds: after the port is ours
application = applications.make(KIND, NAME, STATE)

import waitress  # noqa: E402
logging.getLogger('waitress.queue').setLevel(logging.ERROR)  # not a line for each request that waits
# One thread, one process: SQLAlchemy closes SQLite connections from other threads, which SQLite refuses, so that the
# database stays locked; and two processes lock each other out. The one thread must never wait for a slow reader of an
# image, hence the high watermark: what is not read yet goes to a temporary file.
waitress.serve(application, sockets=[listener], threads=1, ident=None, connection_limit=900,
               max_request_body_size=1 << 40, outbuf_high_watermark=1 << 40)
