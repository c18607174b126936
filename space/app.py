"""NanoChat as a Hugging Face Space: one small model on two CPU cores, for whoever comes by."""

from nanochat_helpers.serve.gui import make_gui

# Strangers share it: replies are short, and the line is too, so that nobody waits for minutes.
demo = make_gui(limit_tokens=256, max_waiting=8)

if __name__ == "__main__":
    demo.launch()
