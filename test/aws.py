"""The aws command line for tests: `python3 aws.py iam list-users` speaks to AWS_ENDPOINT_URL, also where the installed version is too old to know it."""
import os
import sys

from awscli import clidriver

# Versions 1 and 2 have the library in different places: this is the one that the command uses.
Session = clidriver.botocore.session.Session
make = Session.create_client


def create_client(self, *args, **kwargs):
    if kwargs.get('endpoint_url') is None:
        kwargs['endpoint_url'] = os.environ['AWS_ENDPOINT_URL']
    return make(self, *args, **kwargs)


Session.create_client = create_client
sys.exit(clidriver.main())
