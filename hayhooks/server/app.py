"""Import path of upstream Hayhooks."""

from hayhooks.app import create_app as create_app
from hayhooks.app import run_app as run_app
