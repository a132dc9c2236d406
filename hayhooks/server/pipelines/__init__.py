"""Import paths of upstream Hayhooks."""

from hayhooks.server.pipelines.registry import registry as registry
