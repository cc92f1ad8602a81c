"""Recordings to keyword model: the modules stand in the order of the data.

configuration  six-words.toml -> Configuration
manifest       manifest.tsv -> Recording, what is left out and what is held out
features       `attnd features` -> RowBank, every recording's mel energies
streams        RowBank -> Composer, endless streams with their truth
network        the model in PyTorch, many streams at a time, state carried
training       the loop: segments, loss, averaging, mining, checkpoints, log
detection      posteriors -> detections, as attnd's detector defines them
thresholds     held-out recordings -> a threshold for each keyword
model_file     weights and document -> safetensors, and back
reference      the exported model one step at a time in NumPy
"""
