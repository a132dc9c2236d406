"""Import path of upstream Hayhooks."""

from hayhooks.pipelines.yaml import YAMLPipelineWrapper as YAMLPipelineWrapper
