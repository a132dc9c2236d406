"""Import path of upstream Hayhooks."""

from hayhooks import AsyncPipeline as AsyncPipeline
from hayhooks import Pipeline as Pipeline
