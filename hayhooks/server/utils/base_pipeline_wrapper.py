"""Import path of upstream Hayhooks."""

from hayhooks.wrapper import BasePipelineWrapper as BasePipelineWrapper
