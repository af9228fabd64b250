"""Valid replies, settings and tables, small, and what each of them is written with."""

import json
from pathlib import Path
from typing import Any

import yaml

from graphs.config import domain_config

ROOT = Path(__file__).resolve().parents[2]
RULE = "A line must be doubled in winter."


def tokens(*words: str) -> tuple[bytes, ...]:
    """Return words as the bytes of a file."""
    return tuple(word.encode() for word in words)


# What models reply, by the schema that is asked for.
OBJECTS: dict[str, dict[str, Any]] = {
    "Survey": {
        "points": [
            {"sort": "rule", "statement": RULE, "topic": "lines", "quotes": [RULE, "2 \"x\""],
             "kinds": ["direct"]},
        ]
    },
    "Grading": {
        "answers": [
            {"result": "right", "reason": "thin", "checks": [True, False], "critique": "It's so."}
        ],
        "missed": "",
    },
    "Reply": {
        "explanation": "By 1.1, $\\frac{1}{2}$ of it.\n\tSo: {x}", "result": "50", "form": "number",
        "citations": [{"source": "a.md", "start": 1, "end": 20, "quote": RULE}],
        "abstained": False,
    },
    "Lost": {"lost": [1, 2, -3]},
}  # fmt: skip
REPLY_TOKENS = tokens(
    *'{}[]:,"\'`', "null", "true", "None", "NaN", "//", "/*", "*/", "#", "“", "”", "„", "«", "｛",
    "：", "，", "<think>", "</think>", "<|channel|>final<|message|>", "<|channel|>analysis",
    "<|end|>", "analysis", "assistantfinal", "<parameter=answer>", "</parameter>", "</function>",
    "<arg_key>lost</arg_key>", "<arg_value>", "</arg_value>", "</tool_call>", "&quot;", '{\\"',
    '"""', '"arguments": ', '"parameters": ', '"name": "R"', "```json\n", "\n```", "\\", "\\n",
    "\\u00e4", "\\ud83d", "\\f", " + ", '", "', '": "', '"points": ', '"lost": ', '"answers": ',
    '{"a": ', "+1", ".5", "0x1f", "{{", "}}", "}, {", ": {", "[TOOL_CALLS]",
)  # fmt: skip


def replies() -> tuple[bytes, ...]:
    """Return replies in the forms that models have for them."""
    made: list[str] = []
    for name, value in OBJECTS.items():
        plain = json.dumps(value, ensure_ascii=False)
        (key, inner), *_ = value.items()
        call = {"name": name, "arguments": value}
        as_text = {"name": name, "arguments": plain}
        made += [
            plain, f"Sure {{x}}:\n```json\n{json.dumps(value, indent=2)}\n```\nDone.",
            json.dumps({name: value}), f"<tool_call>\n{json.dumps(call)}\n</tool_call>",
            json.dumps(as_text), json.dumps(plain),
            json.dumps({"tool_calls": [{"function": call}]}),
            f"<think>So {{a: 1}}.</think>{plain}", repr(value), plain.replace('"', "&quot;"),
            f"<|channel|>analysis<|message|>So.<|end|><|channel|>final<|message|>{plain}<|return|>",
            f"analysisSo.assistantfinal{plain}", plain.replace('": ', '": /* so */ ')[:-1] + ",}",
            "".join("“”"[n % 2 if n else 0] + part for n, part in enumerate(plain.split('"'))),
            f"<function={name}><parameter={key}>\n{json.dumps(inner)}\n</parameter>\n</function>",
            f"<tool_call>{name}<arg_key>{key}</arg_key><arg_value>{json.dumps(inner)}</arg_value>"
            "</tool_call>",
            json.dumps(inner),
        ]  # fmt: skip
    return tuple(text.encode() for text in made)


BODY_TOKENS = (
    *REPLY_TOKENS,
    *tokens(
        '{"choices": [', '"message": ', '"content": ', '"tool_calls": [', '{"function": ',
        '"finish_reason": ', '"usage": ', '"prompt_tokens": ', '"completion_tokens": ', '"error": ',
        '"code": ', '"detail": ', '"type": "text"', '"reasoning_content": ', '"output": [',
        '"text": ', '"refusal": ', '"data": ', '"id": ', '"max_model_len": ', "\r\n", "\r\n\r\n",
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 307 X\r\n", "HTTP/1.1 429 X\r\n", "Content-Length: ",
        "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n", "Location: /v1/models\r\n",
        "Location: http://[::1", "Retry-After: 1\r\n", "Content-Type: text/html; charset=x\r\n",
        "Connection: close\r\n", "HTTP/0.9 ", "HTTP/1.1 100 Continue\r\n\r\n", "0\r\n\r\n",
    ),
)  # fmt: skip


def bodies() -> tuple[bytes, ...]:
    """Return bodies of OpenAI's protocol, of its kin, and errors."""
    call = {"id": "1", "type": "function", "function": {"name": "R", "arguments": '{"lost": [1]}'}}
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    messages: list[dict[str, Any]] = [
        {"content": "Yes."}, {"content": None, "tool_calls": [call]}, {"content": {"lost": [1]}},
        {"content": [{"type": "text", "text": "Ye"}, "s.", {"type": "thinking", "thinking": []}]},
        {"content": "Yes.", "reasoning_content": "So."}, {"content": None, "refusal": "No."},
        {"content": None, "function_call": {"name": "R", "arguments": {"lost": [1]}}},
    ]  # fmt: skip
    whole: list[Any] = [
        {"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
        for message in messages
    ]
    whole += [
        {"choices": [{"text": "Yes."}]}, {"error": {"message": "full", "code": 429, "type": "x"}},
        {"error": "no"}, {"detail": [{"msg": "Field required"}]},
        {"object": "error", "message": "n"},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}],
         "usage": {"input_tokens": 12, "output_tokens": 3}},
        {"data": [{"id": "reader", "max_model_len": 4096}]}, [{"id": "reader"}],
    ]  # fmt: skip
    return tuple(json.dumps(each).encode() for each in whole)


def answers() -> tuple[bytes, ...]:
    """Return whole answers of a server, with status and headers."""
    made = []
    for body in bodies():
        length = b"Content-Length: %d\r\n" % len(body)
        kind = b"Content-Type: application/json\r\n"
        made += [
            b"HTTP/1.1 200 OK\r\n" + kind + length + b"\r\n" + body,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
            % (len(body), body),
        ]
    made.append(b"HTTP/1.1 307 Moved\r\nLocation: /v1/elsewhere\r\nContent-Length: 0\r\n\r\n")
    made.append(b"HTTP/1.1 429 Full\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\n{}")
    made.append(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x00\x00\x00")
    return tuple(made)


YAML_TOKENS = tokens(
    "&a ", "*a", "<<: ", "!!int ", "!!python/name:os", "? ", ": ", ":\n  ", "[", "]", "{", "}",
    "- ", "\n", "  ", "|\n", ">-\n", "---\n", "...\n", "%YAML 1.1\n", ".inf", ".nan", "0x_", "1:59",
    "~", "null", "true", "2024-02-31", "'", '"', "#", "domain: ", "title: ", "models: ", "openai:x",
    "profiles: ", "budget: ", "corpus: {sources: ", "student: ", "model: ", "options: ", "exam: ",
    "method: ", "rewriting", "indicators", "passages", "hf:", "training: ", "temperature: ", "-1",
    "base_url: ", "http://[", "api_key: x", "~nobody/x", "**", "path: ", "encoding: ", "\u2028",
)  # fmt: skip


def settings() -> tuple[bytes, ...]:
    """Return the configurations that come with the program, and one with every key."""
    files = sorted((ROOT / "domains").glob("*/domain.yaml"))
    whole = domain_config()(domain="x", title="x").model_dump(mode="json")
    return (yaml.safe_dump(whole).encode(), *(file.read_bytes() for file in files))


def changes() -> tuple[bytes, ...]:
    """Return `key=value` changes of the command line, and sources."""
    return tokens(
        "training.rank=8", "models.openai:gpt-5.4.in_flight=8", "models.openai:x={usd_in: 1}",
        "corpus.sources=[a.md, {path: b.csv, text: body}]", "language=English", "budget.usd=null",
        "adaptation.examples=[40, 80]", "expert.options={seed: 1, extra_body: {a: b}}", "title='x'",
        "{path: rules.csv, text: body, encoding: utf-8}", "hf:name", "docs/**/*.pdf", "a=b=c",
    )  # fmt: skip


TABLE_TOKENS = tokens(
    ",", ";", "\t", "|", '"', '""', '","', "\n", "\r\n", "\r", "text", "title", "id", '"text": ',
    "{", "}", "[", "]", "null", "NaN", "Infinity", "1e999", '"\\ud800"', "\\u0000", "true", "é",
    "\ufeff", '{"text": "x"}\n', '{"text": ["x"]}\n', "\n\n", '"a\nb"', "text,title,id\n",
)  # fmt: skip


def separated(separator: str) -> tuple[bytes, ...]:
    """Return tables of text, in several encodings."""
    rows = [("id", "text", "title"), ("1", RULE, "Lines"), ("2", 'He said ""no"".', "é")]
    plain = "".join(separator.join(row) + "\r\n" for row in rows)
    quoted = "".join(separator.join(f'"{cell}"' for cell in row) + "\n" for row in rows)
    return (plain.encode(), quoted.encode(), quoted.encode("utf-16"), quoted.encode("utf-8-sig"))


def json_lines() -> tuple[bytes, ...]:
    """Return tables of lines of JSON."""
    rows: list[Any] = [
        {"id": 1, "text": RULE, "title": "Lines"}, {"id": "2", "text": "é\n🙂", "title": None},
        {"text": 5}, {"id": True, "text": {"en": "x"}}, {"other": [1]},
    ]  # fmt: skip
    lines = [json.dumps(row, ensure_ascii=n % 2 == 0) for n, row in enumerate(rows)]
    return ("\n".join(lines).encode(), ("\n\n".join(lines) + "\n").encode("utf-8-sig"))


def hand_exam() -> tuple[bytes, ...]:
    """Return an exam that people wrote."""
    lines = [
        {"question": "When?", "answer": "In winter.", "quote": RULE, "document": "a.md"},
        {"question": "Who?", "answer": "All.", "kind": "own"},
    ]
    return ("\n".join(map(json.dumps, lines)).encode(),)
