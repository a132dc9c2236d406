"""Import path of upstream Hayhooks."""

from hayhooks.openai.models import ModelObject as ModelObject
from hayhooks.openai.models import ModelsResponse as ModelsResponse
from hayhooks.openai.types import ChatCompletion as ChatCompletion
from hayhooks.openai.types import ChatRequest as ChatRequest
from hayhooks.openai.types import Choice as Choice
from hayhooks.openai.types import Message as Message
