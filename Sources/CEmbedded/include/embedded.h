/* The default model and the demonstration's clip, inside the program. */
#pragma once
#include <stddef.h>

extern const unsigned char *const attnd_default_model;
extern const size_t attnd_default_model_size;
extern const unsigned char *const attnd_demo_clip;
extern const size_t attnd_demo_clip_size;
