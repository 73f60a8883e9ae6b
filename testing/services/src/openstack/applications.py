"""The WSGI application of each service; its database is made first if there is none."""
import ctypes
import os
import signal
import sqlite3
import sys
import traceback

PR_SET_PDEATHSIG = 1


def make(kind, name, state):
    return APPLICATIONS[kind]('%s/%s' % (state, name), '%s/%s/%s.conf' % (state, name, kind),
                              '%s/db/%s.db' % (state, name))


def keystone(directory, conf, database):
    os.environ['OS_KEYSTONE_CONFIG_DIR'] = directory
    from keystone.cmd import cli
    from keystone.server.wsgi import initialize_public_application
    if not os.path.exists(database):
        def run():
            cli.main(argv=sys.argv)
        in_child(run, '--config-file', conf, 'db_sync')
        write_ahead_log(database)
        in_child(run, '--config-file', conf, 'bootstrap')  # takes OS_BOOTSTRAP_*
    return initialize_public_application()


def barbican(directory, conf, database):
    # Barbican reads its configuration while it is imported, from fixed places: read ours over it.
    from barbican.common import config
    config.CONF(args=[], project='barbican', default_config_files=[conf])
    if not os.path.exists(database):
        from barbican.model.migration import commands
        in_child(lambda: commands.upgrade(to_version='head', sql_url='sqlite:///' + database), 'upgrade')
        write_ahead_log(database)
    from paste import deploy
    return deploy.loadapp('config:%s/paste.ini' % directory)


def placement(directory, conf, database):
    os.environ['OS_PLACEMENT_CONFIG_DIR'] = directory
    from placement.cmd import manage
    from placement.wsgi import init_application
    if not os.path.exists(database):
        in_child(manage.main, '--config-file', conf, 'db', 'sync')
        write_ahead_log(database)
    return init_application()


def glance(directory, conf, database):
    os.environ['OS_GLANCE_CONFIG_DIR'] = directory
    # Glance takes the first configuration file that it finds for its program's name.
    sys.argv[0] = 'glance-api'
    from glance.common.wsgi_app import init_app
    if not os.path.exists(database):
        from glance.cmd import manage
        in_child(manage.main, '--config-file', conf, 'db', 'sync')
        write_ahead_log(database)
    return init_app()


APPLICATIONS = {'keystone': keystone, 'barbican': barbican, 'placement': placement, 'glance-api': glance}


def in_child(main, *argv):
    """The *-manage commands leave global state behind, so each runs in a child; what the parent has imported, which
    takes seconds, need not be imported again."""
    pid = os.fork()
    if pid == 0:
        # a fork has no watchdog thread
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os._exit(status_of(main, argv))
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit('%s failed' % ' '.join(argv))


def status_of(main, argv):
    try:
        sys.argv[1:] = argv
        return main() or 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()


def write_ahead_log(database):
    # A property of the file: readers do not stop the writer any more.
    connection = sqlite3.connect(database)
    connection.execute('pragma journal_mode=wal')
    connection.close()
