"""Import path of upstream Hayhooks."""

from hayhooks.openai.models import ChatCompletion as ChatCompletion
from hayhooks.openai.models import ChatRequest as ChatRequest
from hayhooks.openai.models import Choice as Choice
from hayhooks.openai.models import Message as Message
from hayhooks.openai.models import ModelObject as ModelObject
from hayhooks.openai.models import ModelsResponse as ModelsResponse
