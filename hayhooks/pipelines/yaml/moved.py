"""What left Haystack's core with version 3, by the name of the class: the package, and the new type.

From Haystack's own migration guide (`MIGRATION.md` of its repository), and tried where it could be
(by loading the examples of upstream's releases).
"""

from __future__ import annotations

_INTEGRATIONS = "haystack_integrations.components"

_PACKAGES = {
    "huggingface-api-haystack": {
        "HuggingFaceAPIChatGenerator": "generators.huggingface_api",
        "HuggingFaceAPITextEmbedder": "embedders.huggingface_api",
        "HuggingFaceAPIDocumentEmbedder": "embedders.huggingface_api",
        "HuggingFaceTEIRanker": "rankers.huggingface_api",
    },
    "transformers-haystack": {
        "TransformersZeroShotDocumentClassifier": "classifiers.transformers",
        "TransformersTextRouter": "routers.transformers",
        "TransformersZeroShotTextRouter": "routers.transformers",
    },
    "serperdev-haystack": {"SerperDevWebSearch": "websearch.serperdev"},
    "searchapi-haystack": {"SearchApiWebSearch": "websearch.searchapi"},
    "langdetect-haystack": {
        "DocumentLanguageClassifier": "classifiers.langdetect",
        "TextLanguageRouter": "routers.langdetect",
    },
    "whisper-haystack": {"LocalWhisperTranscriber": "audio.whisper", "RemoteWhisperTranscriber": "audio.whisper"},
    "sentence-transformers-haystack": {
        "SentenceTransformersTextEmbedder": "embedders.sentence_transformers",
        "SentenceTransformersDocumentEmbedder": "embedders.sentence_transformers",
        "SentenceTransformersSparseTextEmbedder": "embedders.sentence_transformers",
        "SentenceTransformersSparseDocumentEmbedder": "embedders.sentence_transformers",
        "SentenceTransformersDocumentImageEmbedder": "embedders.sentence_transformers",
        "SentenceTransformersSimilarityRanker": "rankers.sentence_transformers",
        "SentenceTransformersDiversityRanker": "rankers.sentence_transformers",
    },
    "tika-haystack": {"TikaDocumentConverter": "converters.tika"},
    "azure-form-recognizer-haystack": {"AzureOCRDocumentConverter": "converters.azure_form_recognizer"},
    "openapi-haystack": {
        "OpenAPIConnector": "connectors.openapi",
        "OpenAPIServiceConnector": "connectors.openapi",
        "OpenAPIServiceToFunctions": "converters.openapi",
    },
}

_CHAT = "haystack.components.generators.chat"

# What has no twin of the same name: what to write in its place.
_REPLACED = {
    "OpenAIGenerator": f"use {_CHAT}.openai.OpenAIChatGenerator, whose input is 'messages' and takes a text too",
    "AzureOpenAIGenerator": f"use {_CHAT}.azure.AzureOpenAIChatGenerator, whose input is 'messages'",
    "HuggingFaceAPIGenerator": "use HuggingFaceAPIChatGenerator of the package huggingface-api-haystack",
    "HuggingFaceLocalGenerator": "use TransformersChatGenerator of the package transformers-haystack",
    "HuggingFaceLocalChatGenerator": "use TransformersChatGenerator of the package transformers-haystack",
    "ExtractiveReader": "use TransformersExtractiveReader of the package transformers-haystack",
    "TransformersSimilarityRanker": "use SentenceTransformersSimilarityRanker of the package "
    "sentence-transformers-haystack",
    "NamedEntityExtractor": "use TransformersNamedEntityExtractor of the package transformers-haystack, "
    "or SpacyNamedEntityExtractor of spacy-haystack",
    "ToolInvoker": "give the tools to haystack.components.agents.agent.Agent, which calls them itself",
    "DALLEImageGenerator": "use haystack.components.generators.openai_image_generator.OpenAIImageGenerator",
}


def advice(type_: str) -> str | None:
    """Return a relative clause about a type that left Haystack's core, without its "which"; None for all others."""
    name = type_.rpartition(".")[2]
    if not type_.startswith("haystack.components."):
        return None
    if name in _REPLACED:
        return f"Haystack 3 no longer has: {_REPLACED[name]}"
    for package, places in _PACKAGES.items():
        if name in places:
            return (
                f"Haystack 3 has in a package of its own: pip install {package}, "
                f"and write the type as {_INTEGRATIONS}.{places[name]}.{name}"
            )
    return None
