"""Stands in for an OpenAI-compatible server: models, chat completions, streams and every way to answer badly.

No language model is in it: `honest` judges by a handful of words. https://platform.openai.com/docs/api-reference/chat
"""
