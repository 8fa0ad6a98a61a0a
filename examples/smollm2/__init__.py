"""SmolLM2-135M-Instruct: its weights and tokenizer from a GGUF, its kernels, and a NumPy reference."""
