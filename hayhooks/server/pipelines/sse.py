"""Import path of upstream Hayhooks."""

from hayhooks.pipelines.sse import SSEStream as SSEStream
