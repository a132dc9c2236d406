"""Import path of upstream Hayhooks."""

from hayhooks.app import create_app as create_app
from hayhooks.process.run import run_app as run_app
