"""WSGI entry point of the web process."""

import multiprocessing
import os

from django.core.wsgi import get_wsgi_application

from tradebot.embedded.ownership import die_with

# A worker that outlived its killed server would go on answering beside the next one's workers, on the same port.
if server := multiprocessing.parent_process():
    die_with(server.pid or 0)()

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradebot.settings")
application = get_wsgi_application()
