"""The aws command line for tests, loaded once: each line of standard input is a command, run by a fork of this process.

A line is JSON: {"args": [...], "env": {...}, "cwd": "...", "out": "file", "err": "file"}. The answer is a line with the
exit status. Half a second of loading is saved for each command; everything else is as when it is typed.
"""
import json
import os
import sys

from awscli import clidriver
from awscli.customizations import assumerole

# Versions 1 and 2 have the library in different places: this is the one that the command uses.
Session = clidriver.botocore.session.Session
make = Session.create_client


def create_client(self, *args, **kwargs):
    """Speaks to AWS_ENDPOINT_URL, also where the installed version is too old to know that variable (before 1.29 and 2.13)."""
    if kwargs.get('endpoint_url') is None and 'AWS_ENDPOINT_URL' in os.environ:
        kwargs['endpoint_url'] = os.environ['AWS_ENDPOINT_URL']
    return make(self, *args, **kwargs)


Session.create_client = create_client


def run(command):
    # Set when the library is loaded: where its own descriptions of commands are.
    data = os.environ['AWS_DATA_PATH']
    os.environ.clear()
    os.environ.update(command['env'], AWS_DATA_PATH=data)
    # Also set when it is loaded, by the home folder: sessions of one test's roles are no other test's.
    assumerole.CACHE_DIR = os.path.expanduser('~/.aws/cli/cache')
    os.chdir(command['cwd'])
    for number, name in ((1, 'out'), (2, 'err')):
        file = os.open(command[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    sys.argv = ['aws', *command['args']]
    status = 255
    try:
        status = clidriver.main()
    except SystemExit as end:
        status = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 0 if status is None else 255)


# What a driver loads when it is made is loaded for all.
clidriver.create_clidriver()
sys.stdout.write('ready\n')
sys.stdout.flush()
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f'{os.waitstatus_to_exitcode(status)}\n')
    sys.stdout.flush()
