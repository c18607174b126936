"""Other right solutions of sheet 08, written in other ways than the references."""

import copy
import functools
import itertools

from nanochat_helpers.prompts import encode_prompt


def remember_with_append(messages, text, answer):
    conversation = list(messages)
    conversation.append({"role": "user", "content": text})
    conversation.append({"content": answer, "role": "assistant"})
    return conversation


def remember_with_plus(messages, text, answer):
    new = [{"role": role, "content": content} for role, content in (("user", text), ("assistant", answer))]
    return messages + new


def remember_deeply(messages, text, answer):
    conversation = copy.deepcopy(messages)
    conversation += [{"role": "user", "content": text}]
    conversation.extend([{"role": "assistant", "content": answer}])
    return conversation


def remember_with_slice(messages, text, answer):
    conversation = messages[:]
    conversation[len(messages) :] = {"role": "user", "content": text}, {"role": "assistant", "content": answer}
    return conversation


def read_step_in_a_loop(step, defaults):
    settings = defaults.copy()
    for key in step:
        if key == "step":
            continue
        if key not in settings:
            raise ValueError("unknown: " + key)
        settings[key] = step[key]
    return settings


def read_step_with_sets(step, defaults):
    if not set(step) <= {"step", *defaults}:
        raise ValueError
    settings = defaults | step
    del settings["step"]
    return settings


def read_step_with_get(step, defaults):
    for key in step.keys() - {"step"}:
        if key not in defaults:
            raise UnicodeError(key)  # a kind of ValueError
    return {key: step.get(key, defaults[key]) for key in defaults}


def read_step_by_taking_away(step, defaults):
    given = {**step}
    given.pop("step")
    settings = {key: given.pop(key) if key in given else defaults[key] for key in defaults}
    if given:
        raise ValueError(given)
    return settings


def run_steps_checking_first(spec, value, tools):
    names = [step["step"] for step in spec["steps"]]
    if not all(name in tools for name in names):
        raise ValueError("there is an unknown step")
    for name, step in zip(names, spec["steps"], strict=True):
        value = tools[name](value, step)
    return value


def run_steps_reduced(spec, value, tools):
    def run(so_far, step):
        try:
            tool = tools[step["step"]]
        except KeyError as error:
            raise ValueError(str(error)) from error
        return tool(so_far, step)

    return functools.reduce(run, spec["steps"], value)


def run_steps_recursively(spec, value, tools):
    if not spec["steps"]:
        return value
    first, *rest = spec["steps"]
    tool = tools.get(first["step"])
    if tool is None:
        raise ValueError(f"no {first['step']}")
    return run_steps_recursively({"steps": rest}, tool(value, first), tools)


def run_steps_with_names(spec, value, tools):
    """The parameters by name, as the functions of the sheet have them, and a step without its name."""
    for step in spec["steps"]:
        name, settings = step["step"], {key: step[key] for key in step if key != "step"}
        if not callable(tools.get(name)):
            raise ValueError(name)
        value = tools[name](step=settings, value=value)
    return value


def turn_with_while(messages, text, max_new_tokens, bot):
    conversation = messages.copy()
    conversation.append({"role": "user", "content": text})
    prompt, new_ids, reason = bot.encode(bot.fit(conversation)), [], ""
    while not reason:
        if len(new_ids) == max_new_tokens:
            reason = "length"
        elif (token_id := bot.next_id(prompt + new_ids)) == bot.end_id:
            reason = "stop"
        else:
            new_ids.append(token_id)
    answer = bot.clean(bot.decode(new_ids))
    conversation.append({"role": "assistant", "content": answer})
    return {"finish_reason": reason, "messages": conversation, "text": answer}


def turn_with_for_else(messages, text, max_new_tokens, bot):
    reply = {"messages": [*messages, {"role": "user", "content": text}]}
    ids = bot.encode(bot.fit(reply["messages"]))
    start = len(ids)
    for _ in range(max_new_tokens):
        ids = ids + [bot.next_id(ids)]
        if ids[-1] == 0:
            reply["finish_reason"] = "stop"
            ids = ids[:-1]
            break
    else:
        reply["finish_reason"] = "length"
    reply["text"] = bot.clean("".join(bot.decode([each]) for each in ids[start:]))
    reply["messages"] = reply["messages"] + [{"role": "assistant", "content": reply["text"]}]
    return reply


def turn_with_generator(messages, text, max_new_tokens, bot):
    def write(ids):
        while (token_id := bot.next_id(ids)) != bot.end_id:
            ids = (*ids, token_id)
            yield token_id

    conversation = [*messages, {"role": "user", "content": text}]
    prompt = tuple(bot.encode(bot.fit(conversation)))
    new_ids = list(itertools.islice(write(prompt), max_new_tokens))
    answer = bot.clean(bot.decode(new_ids))
    return {
        "text": answer,
        "finish_reason": "length" if len(new_ids) == max_new_tokens else "stop",
        "messages": [*conversation, {"role": "assistant", "content": answer}],
    }


def turn_with_one_list(messages, text, max_new_tokens, bot):
    """Each token is decoded by itself; the end token is written first and then taken away."""
    conversation = copy.deepcopy(messages) + [{"role": "user", "content": text}]
    ids = bot.encode(bot.fit(conversation))
    start, raw_text, reason = len(ids), "", "length"
    while len(ids) - start < max_new_tokens:
        ids.append(bot.next_id(ids))
        if ids[-1] == bot.end_id:
            ids.pop()
            reason = "stop"
            break
        raw_text += bot.decode(ids[-1:])
    conversation.append({"role": "assistant", "content": bot.clean(raw_text)})
    return {"messages": conversation, "text": conversation[-1]["content"], "finish_reason": reason}


def real_turn_with_one_list(messages, text, max_new_tokens, backbone):
    ids = encode_prompt(list(messages) + [{"content": text, "role": "user"}], backbone.tokenizer).input_ids[:]
    n_prompt = len(ids)
    for _ in range(max_new_tokens):
        ids.append(backbone.next_token_logits(ids).topk(1).indices.item())
        if ids[-1] == backbone.tokenizer.eos_token_id:
            del ids[-1]
            break
    return backbone.tokenizer.decode(ids[n_prompt:], skip_special_tokens=True)


def real_turn_recursively(messages, text, max_new_tokens, backbone, new_ids=()):
    prompt = encode_prompt([*messages, {"role": "user", "content": text}], backbone.tokenizer)
    best = max_new_tokens and backbone.next_token_logits([*prompt.input_ids, *new_ids]).tolist()
    if not best or (token_id := best.index(max(best))) == backbone.tokenizer.eos_token_id:
        return backbone.tokenizer.decode(list(new_ids))
    return real_turn_recursively(messages, text, max_new_tokens - 1, backbone, (*new_ids, token_id))


SECOND = {
    "08.1": (remember_with_append, remember_with_plus, remember_deeply, remember_with_slice),
    "08.2": (read_step_in_a_loop, read_step_with_sets, read_step_with_get, read_step_by_taking_away),
    "08.3": (run_steps_checking_first, run_steps_reduced, run_steps_recursively, run_steps_with_names),
    "08.4": (turn_with_while, turn_with_for_else, turn_with_generator, turn_with_one_list),
    "08.5": (real_turn_with_one_list, real_turn_recursively),
}
