"""What the functions of the exercises are called with where that is no plain data: toy models, tokenizers, tools.

One module for each sheet that needs some. A grader's sandbox shows them to the student's code, and hides `sheets`.
"""
