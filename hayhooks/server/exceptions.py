"""Import path of upstream Hayhooks."""

from hayhooks.errors import HayhooksError, PipelineExists, PipelineNotFound
from hayhooks.errors import InvalidYamlIOError as InvalidYamlIOError
from hayhooks.errors import PipelineFilesError as PipelineFilesError
from hayhooks.errors import PipelineModuleLoadError as PipelineModuleLoadError
from hayhooks.errors import PipelinePathError as PipelinePathError
from hayhooks.errors import PipelineWrapperError as PipelineWrapperError
from hayhooks.errors import PipelineYamlError as PipelineYamlError

PipelineAlreadyExistsError = PipelineExists
PipelineNotFoundError = PipelineNotFound
PipelineModeError = PipelineWrapperError
PipelineRollbackError = HayhooksError
