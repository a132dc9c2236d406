"""All exceptions of Hayhooks. Each class carries the HTTP status that it is answered with.

    HayhooksError                      500
    ├── SettingsError                  500  a HAYHOOKS_* value that cannot be used
    ├── Unauthenticated                401  a key is asked for, and none that is valid was sent
    ├── PermissionDenied               403  the caller may not do this
    │   ├── DeployClosed               403  nobody may deploy here without a key
    │   └── ForeignOrigin              403  a page of another site sent the request
    ├── ForeignHost                    421  a server on loopback, called by a name that is not local
    ├── TooManyAttempts                429  too many wrong keys from this address
    ├── InvalidRequest                 422  a request body that does not fit, item by item
    ├── UnreadableBody                 400  a body that is not even text
    ├── BodyTooLarge                   413  a body of more bytes than are allowed
    ├── TooManyRequests                429  a client that has started as many runs as it may
    │   └── TooManyStreams             429  one that has as many streams open as it may
    ├── InvalidParameter               400  a parameter of OpenAI's API with a value that cannot be used
    │   ├── UnsupportedParameter       400  one that no pipeline can honour
    │   ├── InvalidMessage             400  a message or an input item that is none
    │   └── PreviousResponseNotFound   400  the response to go on from is not kept
    ├── ResponseNotFound               404  no response of that id is kept
    ├── UploadNotFound                 404  no uploaded file of that id is kept
    ├── RequestNotFound                404  nothing runs for a request of that id
    ├── MetricsUnavailable             501  nothing is counted for `/metrics`
    ├── PipelineNotFound               404  no pipeline of that name is deployed
    │   └── ModelNotFound              404  none has the name that a request gives as `model`
    ├── RevisionNotFound               404  the pipeline has no such revision
    ├── PipelineNotDrawable            404  there is nothing of it to draw
    ├── DiagramError                   500  a drawing that failed
    │   └── DiagramTooLarge            422  of more components than can be drawn
    ├── PipelineExists                 409  the name is taken
    ├── NotShared                      409  a deploy that other processes of the server would not have
    ├── PipelineBusy                   503  another deploy of the same name does not end
    ├── RevisionConflict               409  another revision is served than the deploy expected
    ├── StillLoading                   503  a pipeline that the start has not loaded yet
    ├── DeployTimedOut                 504  a pipeline that is not ready in time
    ├── DeployTooLate                  503  a pipeline that is ready when the server has ended
    ├── MethodNotImplemented           501  the wrapper lacks the method for this endpoint
    ├── PipelineRunError               500  the user's code failed while running
    │   ├── ProviderRateLimited        429  because a model's provider refused more requests
    │   ├── ProviderUnavailable        502  because the provider could not be reached, or failed
    │   ├── ProviderTimedOut           504  because the provider did not answer in time
    │   ├── RunTimedOut                504  because it took longer than the pipeline's `timeout`
    │   ├── RunCancelled               499  because somebody cancelled it
    │   └── ServerStopping             503  because the server ends; also what it refuses then
    ├── QueueFull                      429  the pipeline has as many runs, and as many that wait, as it may
    ├── PipelineFilesError             500  the source could not be written
    │   └── PipelinePathError          422  a pipeline name or a file path that is refused
    ├── PipelineModuleLoadError        422  the wrapper's module could not be imported
    ├── PipelineWrapperError           422  constructor, `setup()` or signatures of a wrapper
    └── PipelineYamlError              422  a YAML source that is no pipeline
        └── InvalidYamlIOError         422  its `inputs` or `outputs`

Statuses: section 1.6 of the behavioural contract, with user errors as 422.
"""

from __future__ import annotations

from hayhooks.errors.access import DeployClosed as DeployClosed
from hayhooks.errors.access import ForeignHost as ForeignHost
from hayhooks.errors.access import ForeignOrigin as ForeignOrigin
from hayhooks.errors.access import PermissionDenied as PermissionDenied
from hayhooks.errors.access import TooManyAttempts as TooManyAttempts
from hayhooks.errors.access import Unauthenticated as Unauthenticated
from hayhooks.errors.pipelines import DeployTimedOut as DeployTimedOut
from hayhooks.errors.pipelines import DeployTooLate as DeployTooLate
from hayhooks.errors.pipelines import DiagramError as DiagramError
from hayhooks.errors.pipelines import DiagramTooLarge as DiagramTooLarge
from hayhooks.errors.pipelines import InvalidYamlIOError as InvalidYamlIOError
from hayhooks.errors.pipelines import ModelNotFound as ModelNotFound
from hayhooks.errors.pipelines import NotShared as NotShared
from hayhooks.errors.pipelines import PipelineBusy as PipelineBusy
from hayhooks.errors.pipelines import PipelineExists as PipelineExists
from hayhooks.errors.pipelines import PipelineFilesError as PipelineFilesError
from hayhooks.errors.pipelines import PipelineModuleLoadError as PipelineModuleLoadError
from hayhooks.errors.pipelines import PipelineNotDrawable as PipelineNotDrawable
from hayhooks.errors.pipelines import PipelineNotFound as PipelineNotFound
from hayhooks.errors.pipelines import PipelinePathError as PipelinePathError
from hayhooks.errors.pipelines import PipelineWrapperError as PipelineWrapperError
from hayhooks.errors.pipelines import PipelineYamlError as PipelineYamlError
from hayhooks.errors.pipelines import RevisionConflict as RevisionConflict
from hayhooks.errors.pipelines import RevisionNotFound as RevisionNotFound
from hayhooks.errors.pipelines import StillLoading as StillLoading
from hayhooks.errors.requests import BodyTooLarge as BodyTooLarge
from hayhooks.errors.requests import InvalidMessage as InvalidMessage
from hayhooks.errors.requests import InvalidParameter as InvalidParameter
from hayhooks.errors.requests import InvalidRequest as InvalidRequest
from hayhooks.errors.requests import MetricsUnavailable as MetricsUnavailable
from hayhooks.errors.requests import PreviousResponseNotFound as PreviousResponseNotFound
from hayhooks.errors.requests import RequestNotFound as RequestNotFound
from hayhooks.errors.requests import ResponseNotFound as ResponseNotFound
from hayhooks.errors.requests import TooManyRequests as TooManyRequests
from hayhooks.errors.requests import TooManyStreams as TooManyStreams
from hayhooks.errors.requests import UnreadableBody as UnreadableBody
from hayhooks.errors.requests import UnsupportedParameter as UnsupportedParameter
from hayhooks.errors.requests import UploadNotFound as UploadNotFound
from hayhooks.errors.root import HayhooksError as HayhooksError
from hayhooks.errors.root import SettingsError as SettingsError
from hayhooks.errors.root import error_text as error_text
from hayhooks.errors.runs import MethodNotImplemented as MethodNotImplemented
from hayhooks.errors.runs import PipelineRunError as PipelineRunError
from hayhooks.errors.runs import ProviderRateLimited as ProviderRateLimited
from hayhooks.errors.runs import ProviderTimedOut as ProviderTimedOut
from hayhooks.errors.runs import ProviderUnavailable as ProviderUnavailable
from hayhooks.errors.runs import QueueFull as QueueFull
from hayhooks.errors.runs import RunCancelled as RunCancelled
from hayhooks.errors.runs import RunTimedOut as RunTimedOut
from hayhooks.errors.runs import ServerStopping as ServerStopping
