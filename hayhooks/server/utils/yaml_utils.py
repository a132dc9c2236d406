"""Import path of upstream Hayhooks."""

from hayhooks.pipelines.yaml import InputResolution as InputResolution
from hayhooks.pipelines.yaml import OutputResolution as OutputResolution
from hayhooks.pipelines.yaml import get_components_from_outputs as get_components_from_outputs
from hayhooks.pipelines.yaml import get_inputs_outputs_from_yaml as get_inputs_outputs_from_yaml
from hayhooks.pipelines.yaml import get_streaming_components_from_yaml as get_streaming_components_from_yaml
