"""Step 7 for others: the chatbot as an API (`api`) and as a page (`gui`), with one model behind both (`worker`)."""
