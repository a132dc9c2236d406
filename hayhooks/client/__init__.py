"""A client of a Hayhooks server, for scripts and for the command line."""

from hayhooks.client.answers import Answer as Answer
from hayhooks.client.answers import AnswerIncomplete as AnswerIncomplete
from hayhooks.client.answers import ClientError as ClientError
from hayhooks.client.answers import ServerRefused as ServerRefused
from hayhooks.client.answers import ServerUnreachable as ServerUnreachable
from hayhooks.client.client import Client as Client
