"""Import path of upstream Hayhooks."""

from hayhooks.compat import deploy_pipeline_files as deploy_pipeline_files
from hayhooks.compat import deploy_pipeline_yaml as deploy_pipeline_yaml
from hayhooks.compat import undeploy_pipeline as undeploy_pipeline
