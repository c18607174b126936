"""Other right solutions of sheet 08, written in other ways than the references."""

import copy
import functools


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


SECOND = {
    "08.1": (remember_with_append, remember_with_plus, remember_deeply),
    "08.2": (read_step_in_a_loop, read_step_with_sets, read_step_with_get),
    "08.3": (run_steps_checking_first, run_steps_reduced, run_steps_recursively),
    "08.4": (turn_with_while, turn_with_for_else),
}
