"""Import path of upstream Hayhooks."""

from hayhooks.compat import log_elapsed as log_elapsed
from hayhooks.http.middleware import RequestIdMiddleware as RequestIdMiddleware
from hayhooks.logger import log as log
