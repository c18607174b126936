"""Sheet 08: the parts of a chatbot put together.

The model is scripted, so that every answer can be checked by hand; only the last exercise asks the real one.
"""

from ...prompts import encode_prompt
from ..exercise import Case, Exercise, Misconception
from ..toys.chatbot import TOOLS, with_a_bot, with_the_real_model, with_tools

QUESTIONS = ("Hi!", "Why?", "Is it salty?", "Who are you?", "Tell me more.", "And fish?")
ANSWERS = ("Hello.", "Because.", "Yes, it is.", "A robot.", "No.")


def _message(role, content):
    return {"role": role, "content": content}


def _conversation(rng, most_turns):
    """A conversation that ends with an answer, or an empty one; half of them with a system message."""
    messages = [_message("system", rng.choice(["Be kind.", "Be brief."]))] if rng.random() < 0.5 else []
    for _ in range(rng.randint(0, most_turns)):
        messages += [_message("user", rng.choice(QUESTIONS)), _message("assistant", rng.choice(ANSWERS))]
    return messages


# --- 08.1 remember


def _remember(messages, text, answer):
    return [*messages, _message("user", text), _message("assistant", answer)]


def _changed_the_list(messages, text, answer):
    messages.append(_message("user", text))
    messages.append(_message("assistant", answer))
    return messages


def _without_the_answer(messages, text, answer):
    return [*messages, _message("user", text)]


def _only_the_new(messages, text, answer):
    return _remember([], text, answer)


def _roles_swapped(messages, text, answer):
    return [*messages, _message("assistant", text), _message("user", answer)]


def _both_from_the_user(messages, text, answer):
    return [*messages, _message("user", text), _message("user", answer)]


def _list_in_a_list(messages, text, answer):
    return [messages, _message("user", text), _message("assistant", answer)]


SYSTEM, FIRST, REPLY = _message("system", "Be kind."), _message("user", "Hi!"), _message("assistant", "Hello.")

REMEMBER = Exercise(
    id="08.1",
    title="Remember a turn",
    points=2,
    signature="remember(messages, text, answer)",
    reference=_remember,
    edge_cases=(
        Case(([FIRST, REPLY], "Why?", "Because.")),
        Case(([SYSTEM], "Hi!", "Hello."), "so far there is only the system message"),
        Case(([], "Hi!", "Hello."), "nothing was said so far"),
        Case(([SYSTEM, FIRST, REPLY], "Hi!", "Hello."), "the same question comes again"),
        Case(([FIRST, REPLY], "Why?", ""), "the model said nothing: an empty answer is kept, too"),
    ),
    random_case=lambda rng: (_conversation(rng, 3), rng.choice(QUESTIONS), rng.choice(ANSWERS)),
    misconceptions=(
        Misconception(
            "changed the caller's list",
            _changed_the_list,
            "The right messages, but written into the list of whoever called you: should the turn be sent again, that "
            "list is too long already. `append` changes a list; what makes a new one?",
        ),
        Misconception(
            "forgot the answer",
            _without_the_answer,
            "With the next question, the model would read two questions of the user, and no answer between them. "
            "By how many messages does a conversation grow in one turn?",
        ),
        Misconception(
            "kept only the new turn",
            _only_the_new,
            "All that was said before is gone. The list is the whole memory: what must stand in front?",
        ),
        Misconception(
            "swapped the roles",
            _roles_swapped,
            "In yours the assistant asks and the user answers. Who typed `text`?",
        ),
        Misconception(
            "gave both messages to the user",
            _both_from_the_user,
            "In yours the user answers the own question. Which role has the chatbot?",
        ),
        Misconception(
            "put a list into the list",
            _list_in_a_list,
            "The first entry of yours is the whole old list. How do two lists become one?",
        ),
    ),
    hints=(
        "A conversation is a list of dicts, each with the keys `role` and `content`.",
        "`old + [one, two]` makes a new list with two more entries, and leaves `old` alone.",
    ),
)

# --- 08.2 the settings of a step


def _read_step(step, defaults):
    given = {key: value for key, value in step.items() if key != "step"}
    unknown = [key for key in given if key not in defaults]
    if unknown:
        raise ValueError(f"There is no setting {unknown[0]!r}.")
    return {**defaults, **given}


def _let_unknown_pass(step, defaults):
    return {**defaults, **{key: value for key, value in step.items() if key != "step"}}


def _left_unknown_out(step, defaults):
    return {key: step.get(key, default) for key, default in defaults.items()}


def _kept_the_name(step, defaults):
    return {**_read_step(step, defaults), "step": step["step"]}


def _default_for_zero(step, defaults):
    _read_step(step, defaults)
    return {key: step.get(key) or default for key, default in defaults.items()}


def _refused_the_name(step, defaults):
    for key in step:
        if key not in defaults:
            raise ValueError(f"There is no setting {key!r}.")
    return {**defaults, **step}


def _default_wins(step, defaults):
    return {**_read_step(step, defaults), **defaults}


VALUES = {"temperature": (0, 0.2, 1.2), "top_p": (0.5, 0.8), "max_new_tokens": (10, 80), "stream": (False, True)}
START = {"temperature": 0.7, "top_p": 0.9, "max_new_tokens": 40, "stream": True}
SLIPS = ("tempreature", "topp", "max_token", "streaming")


def _step_case(rng):
    known = rng.sample(list(VALUES), rng.randint(2, 4))
    given = rng.sample(known, rng.randint(1, len(known)))
    step = {"step": rng.choice(["generate", "decode"]), **{key: rng.choice(VALUES[key]) for key in given}}
    if rng.random() < 0.35:
        step[rng.choice(SLIPS)] = 1
    return step, {key: START[key] for key in known}


READ_STEP = Exercise(
    id="08.2",
    title="One step of a workflow",
    points=3,
    signature="read_step(step, defaults)",
    reference=_read_step,
    edge_cases=(
        Case(({"step": "generate", "top_p": 0.5}, {"temperature": 0.7, "top_p": 0.9})),
        Case(({"step": "generate", "tempreature": 0.2}, {"temperature": 0.7}), "a key that does not exist"),
        Case(({"step": "generate", "temperature": 0}, {"temperature": 0.7}), "the step says 0, and means it"),
        Case(({"step": "decode", "stream": False}, {"stream": True, "top_p": 0.9}), "the step says False"),
        Case(({"step": "generate"}, {"temperature": 0.7}), "the step says nothing: the defaults stay"),
    ),
    random_case=_step_case,
    misconceptions=(
        Misconception(
            "let an unknown key pass",
            _let_unknown_pass,
            "`tempreature` goes through, and nobody notices that the temperature is still the default. Which keys are "
            "allowed? What should happen with all others?",
        ),
        Misconception(
            "left an unknown key out in silence",
            _left_unknown_out,
            "You ignore `tempreature`: the workflow runs, but not as its writer wanted, and nobody is told.",
        ),
        Misconception(
            "kept the name of the step",
            _kept_the_name,
            'The key "step" says *which* step it is. Is it a setting?',
        ),
        Misconception(
            "took the default in place of 0",
            _default_for_zero,
            "The step says 0, and yours gives the default. For Python, 0 and False count as *nothing* after `if` and "
            "`or`. Ask another question: is the key *there*?",
        ),
        Misconception(
            "refused the name of the step",
            _refused_the_name,
            'Every step has the key "step", and yours refuses it, as it is not in the defaults. Which one key must be '
            "left out before you look for mistakes?",
        ),
        Misconception(
            "let the defaults win",
            _default_wins,
            "What the step says is lost. When two dicts are put together, the later one wins: which must come later?",
        ),
    ),
    hints=(
        "Begin with a copy of the defaults, and go through the step key by key. There are three kinds of keys.",
        '`raise ValueError("…")` stops with an error; `key in defaults` tells whether a key exists.',
    ),
)

# --- 08.3 run the steps


def _run_steps(spec, value, tools):
    for step in spec["steps"]:
        if step["step"] not in tools:
            raise ValueError(f"There is no step {step['step']!r}.")
        value = tools[step["step"]](value, step)
    return value


def _show_run(spec, value):
    return f"run_steps(spec={spec!r}, value={value!r}, tools=…)"


def _always_the_first_value(spec, value, tools):
    result = value
    for step in spec["steps"]:
        result = _run_steps({"steps": [step]}, value, tools)
    return result


def _order_of_the_tools(spec, value, tools):
    steps = sorted(spec["steps"], key=lambda step: [*tools, step["step"]].index(step["step"]))
    return _run_steps({"steps": steps}, value, tools)


def _only_the_first_step(spec, value, tools):
    for step in spec["steps"]:
        return _run_steps({"steps": [step]}, value, tools)


def _skipped_unknown(spec, value, tools):
    return _run_steps({"steps": [step for step in spec["steps"] if step["step"] in tools]}, value, tools)


def _each_name_once(spec, value, tools):
    by_name = {step["step"]: step for step in spec["steps"]}
    return _run_steps({"steps": list(by_name.values())}, value, tools)


def _lost_the_new_values(spec, value, tools):
    _run_steps(spec, value, tools)
    return value


def _make_step(rng, name):
    if name == "cut":
        return {"step": name, "length": rng.randint(2, 6)}
    return {"step": name, "text": rng.choice(["!", " ok", "?"])} if name == "add" else {"step": name}


def _run_case(rng):
    names = rng.choices(rng.sample(list(TOOLS), 3), k=rng.randint(2, 5))
    if rng.random() < 0.3:
        names.insert(rng.randint(0, len(names)), rng.choice(["cutt", "ad", "trun"]))
    return {"steps": [_make_step(rng, name) for name in names]}, rng.choice(["the sea", "salt", "a lighthouse"])


RUN_STEPS = Exercise(
    id="08.3",
    title="Run a workflow",
    points=3,
    signature="run_steps(spec, value, tools)",
    reference=_run_steps,
    call=with_tools,
    show=_show_run,
    edge_cases=(
        Case(({"steps": [{"step": "cut", "length": 4}, {"step": "add", "text": "!"}]}, "salty sea")),
        Case(({"steps": [{"step": "add", "text": "!"}, {"step": "turn"}]}, "sea"), "first add, then turn round"),
        Case(({"steps": [{"step": "turn"}, {"step": "add", "text": "!"}]}, "sea"), "the same two in another order"),
        Case(({"steps": [{"step": "add", "text": "!"}, {"step": "add", "text": "?"}]}, "so"), "one step twice"),
        Case(({"steps": [{"step": "turn"}, {"step": "cutt", "length": 1}]}, "sea"), "a step that does not exist"),
        Case(({"steps": []}, "sea"), "no steps: the value stays as it is"),
    ),
    random_case=_run_case,
    misconceptions=(
        Misconception(
            "gave each step the first value",
            _always_the_first_value,
            "Only the last step can be seen in your result. In a pipeline, what does a step get: the first value, or "
            "what the step before it made?",
        ),
        Misconception(
            "ran the steps in the order of the tools",
            _order_of_the_tools,
            "You go through `tools`. They only say what *can* be done; which list says what comes when?",
        ),
        Misconception(
            "stopped after the first step",
            _only_the_first_step,
            "One step is run and the others never (and without any step, nothing comes back). Where does your `return` "
            "stand: inside the loop, or after it?",
        ),
        Misconception(
            "skipped an unknown step",
            _skipped_unknown,
            "A step that does not exist is left out, and nobody is told that something is missing. Which error should "
            "stop the workflow?",
        ),
        Misconception(
            "ran a step that stands twice only once",
            _each_name_once,
            "A dict holds each name once, so the second *add* takes the place of the first. Go through the "
            "list itself.",
        ),
        Misconception(
            "lost the new values",
            _lost_the_new_values,
            "Yours gives back the value that it was given. A tool does not change the value, it returns a new one: "
            "where do you keep it?",
        ),
    ),
    hints=(
        'One loop over `spec["steps"]`. Each time round, the value becomes a new one.',
        "`tools[name]` is a function: call it with the value and the step, and keep what it gives.",
    ),
)

# --- 08.4 a whole turn


def _chat_turn(messages, text, max_new_tokens, bot):
    conversation = [*messages, _message("user", text)]
    raw_text, finish_reason = _write(bot, bot.encode(bot.fit(conversation)), max_new_tokens)
    return _answer(bot.clean(raw_text), finish_reason, conversation)


def _write(bot, prompt, max_new_tokens):
    ids = list(prompt)
    for _ in range(max_new_tokens):
        token_id = bot.next_id(ids)
        if token_id == bot.end_id:
            return bot.decode(ids[len(prompt) :]), "stop"
        ids.append(token_id)
    return bot.decode(ids[len(prompt) :]), "length"


def _answer(text, finish_reason, conversation):
    messages = [*conversation, _message("assistant", text)]
    return {"text": text, "finish_reason": finish_reason, "messages": messages}


def _show_turn(messages, text, max_new_tokens):
    return f"chat_turn(messages={messages!r}, text={text!r}, max_new_tokens={max_new_tokens}, bot=ToyBot())"


def _only_the_newest(messages, text, max_new_tokens, bot):
    reply = _chat_turn([], text, max_new_tokens, bot)
    return {**reply, "messages": [*messages, *reply["messages"]]}


def _no_answer_kept(messages, text, max_new_tokens, bot):
    reply = _chat_turn(messages, text, max_new_tokens, bot)
    return {**reply, "messages": reply["messages"][:-1]}


def _raw_text_kept(messages, text, max_new_tokens, bot):
    conversation = [*messages, _message("user", text)]
    raw_text, finish_reason = _write(bot, bot.encode(bot.fit(conversation)), max_new_tokens)
    return {**_answer(raw_text, finish_reason, conversation), "text": bot.clean(raw_text)}


def _forgot_what_did_not_fit(messages, text, max_new_tokens, bot):
    return _chat_turn(bot.fit([*messages, _message("user", text)])[:-1], text, max_new_tokens, bot)


def _prompt_alone(messages, text, max_new_tokens, bot):
    conversation = [*messages, _message("user", text)]
    token_id = bot.next_id(bot.encode(bot.fit(conversation)))
    return _answer(bot.clean(bot.decode([token_id] * max_new_tokens)), "length", conversation)


def _always_length(messages, text, max_new_tokens, bot):
    return {**_chat_turn(messages, text, max_new_tokens, bot), "finish_reason": "length"}


def _turn_case(rng):
    return _conversation(rng, 4), rng.choice(QUESTIONS), rng.choice([rng.randint(3, 12), 40, 40])


LONG = [SYSTEM, FIRST, REPLY, _message("user", "Why?"), _message("assistant", "Because.")]

CHAT_TURN = Exercise(
    id="08.4",
    title="A whole chat turn",
    points=4,
    signature="chat_turn(messages, text, max_new_tokens, bot)",
    reference=_chat_turn,
    call=with_a_bot,
    show=_show_turn,
    edge_cases=(
        Case(([], "Hi!", 40)),
        Case(([], "Hi!", 8), "there is room for 8 tokens only"),
        Case(([], "Hi!", 15), "the whole answer just fits: 15 tokens are there before the end token could come"),
        Case(([SYSTEM, FIRST, REPLY], "Why?", 40), "a second turn: the bot reads four messages"),
        Case((LONG, "And fish?", 40), "not everything fits: the bot reads less than the conversation keeps"),
        Case(([SYSTEM], "Hi!", 1), "one token, and that is a line break: the clean text is empty"),
    ),
    random_case=_turn_case,
    misconceptions=(
        Misconception(
            "sent only the newest message",
            _only_the_newest,
            "The bot says how many messages it read: in yours always 1. What does the model know of the earlier ones "
            "if they do not stand in the prompt?",
        ),
        Misconception(
            "forgot to add the answer to the conversation",
            _no_answer_kept,
            "The answer is right, but the conversation ends with the question. By how many messages does it grow?",
        ),
        Misconception(
            "kept the raw text in the conversation",
            _raw_text_kept,
            "The reply is clean; the message in the conversation is not. The model reads it again in the next turn: "
            "which of the two texts should it read?",
        ),
        Misconception(
            "forgot what did not fit",
            _forgot_what_did_not_fit,
            "Your conversation lost its oldest messages. `fit` chooses what goes into *this prompt*. Is that the list "
            "that you keep?",
        ),
        Misconception(
            "asked with the prompt alone each time",
            _prompt_alone,
            "The model gives the same token for ever. How should it know what it has written already?",
        ),
        Misconception(
            "took the limit for the reason each time",
            _always_length,
            'Your finish_reason is "length" although the model was done. Where in the loop do you '
            "notice the end token?",
        ),
    ),
    hints=(
        "On paper: which lists are there? The conversation, what fits of it, the ids of the prompt, and the new ids.",
        "The loop runs at most `max_new_tokens` times, and each time `next_id` gets the prompt's ids and the new ones.",
        'Begin with `finish_reason = "length"`; when the end token comes, change it and leave the loop.',
    ),
)


# --- 08.5 real_turn


def _real_turn(messages, text, max_new_tokens, backbone):
    return backbone.tokenizer.decode(_greedy(_prompt(messages, text, backbone), max_new_tokens, backbone))


def _prompt(messages, text, backbone):
    return encode_prompt([*messages, _message("user", text)], backbone.tokenizer).input_ids


def _greedy(prompt, max_new_tokens, backbone):
    new_ids = []
    for _ in range(max_new_tokens):
        token_id = int(backbone.next_token_logits([*prompt, *new_ids]).argmax())
        if token_id == backbone.tokenizer.eos_token_id:
            break
        new_ids.append(token_id)
    return new_ids


def _without_a_template(messages, text, max_new_tokens, backbone):
    return backbone.tokenizer.decode(_greedy(backbone.tokenizer.encode(text), max_new_tokens, backbone))


def _newest_message_alone(messages, text, max_new_tokens, backbone):
    return _real_turn([], text, max_new_tokens, backbone)


def _with_the_prompt(messages, text, max_new_tokens, backbone):
    prompt = _prompt(messages, text, backbone)
    return backbone.tokenizer.decode(prompt + _greedy(prompt, max_new_tokens, backbone))


def _kept_the_end_token(messages, text, max_new_tokens, backbone):
    prompt, new_ids = _prompt(messages, text, backbone), []
    while len(new_ids) < max_new_tokens:
        new_ids.append(int(backbone.next_token_logits(prompt + new_ids).argmax()))
        if new_ids[-1] == backbone.tokenizer.eos_token_id:
            break
    return backbone.tokenizer.decode(new_ids)


def _same_prompt_each_time(messages, text, max_new_tokens, backbone):
    logits = backbone.next_token_logits(_prompt(messages, text, backbone))
    return backbone.tokenizer.decode([int(logits.argmax())] * max_new_tokens)


def _tokens_joined(messages, text, max_new_tokens, backbone):
    new_ids = _greedy(_prompt(messages, text, backbone), max_new_tokens, backbone)
    return " ".join(backbone.tokenizer.decode([token_id]) for token_id in new_ids)


def _real_case(rng):
    question = f"What is {rng.randint(2, 999)} {rng.choice(('plus', 'minus', 'times'))} {rng.randint(2, 999)}?"
    return _conversation(rng, 1), question, rng.randint(3, 5)


REAL_TURN = Exercise(
    id="08.5",
    title="The same with the real model",
    points=3,
    signature="real_turn(messages, text, max_new_tokens, backbone)",
    reference=_real_turn,
    call=with_the_real_model,
    show=lambda messages, text, max_new_tokens: f"real_turn({messages!r}, {text!r}, {max_new_tokens}, backbone)",
    edge_cases=(
        Case(([], "What is the capital of France?", 12)),
        Case(([FIRST, REPLY], "What is the capital of France?", 3), "the budget ends it in the middle"),
        Case(([_message("user", "My name is Mia."), _message("assistant", "Hello, Mia.")], "What is my name?", 4)),
        Case(([_message("system", "You are a pirate.")], "Who are you?", 4), "there is a system message"),
    ),
    n_random=2,  # each case takes the model a while; without any, a table of the answers above would do
    random_case=_real_case,
    misconceptions=(
        Misconception(
            "gave the model the bare text",
            _without_a_template,
            "The model got only the words of the question, without the marks of a chat, and takes it for a finished "
            "text. What did lesson 02 put around a message?",
        ),
        Misconception(
            "sent only the newest message",
            _newest_message_alone,
            "Without earlier messages yours is right, with them it is not. What must stand in the prompt besides the "
            "newest message?",
        ),
        Misconception(
            "decoded the prompt, too",
            _with_the_prompt,
            "Your text begins with the prompt. Which ids are the answer, and which went in before it?",
        ),
        Misconception(
            "kept the end token",
            _kept_the_end_token,
            "Your answer ends with a control token. In which order do you look at a token and append it?",
        ),
        Misconception(
            "asked with the same prompt each time",
            _same_prompt_each_time,
            "The same token comes again and again. How should the model know what it has written already?",
        ),
        Misconception(
            "decoded each token alone and joined them with spaces",
            _tokens_joined,
            "Some spaces are too many: tokens bring their own. What happens if you decode all ids at once?",
        ),
    ),
    hints=(
        "It is 08.4 with other names: what was `bot.encode`, what was `bot.next_id`, what was `bot.end_id`?",
        "The ids for the model are the prompt's and the new ones; `int(logits.argmax())` is the token with the most.",
    ),
)

EXERCISES = (REMEMBER, READ_STEP, RUN_STEPS, CHAT_TURN, REAL_TURN)
