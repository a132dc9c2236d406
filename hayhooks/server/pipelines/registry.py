"""Import path of upstream Hayhooks."""

from hayhooks.compat import registry as registry
