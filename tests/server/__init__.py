"""A server for tests: the OpenAI protocol over real HTTP, with faults.

python -m tests.server --faults 0.3 --seed 7      # then base_url: http://127.0.0.1:8099/v1
"""
