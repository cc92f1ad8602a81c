#include "embedded.h"

/* #embed is C23; clang has it in every mode and warns outside of C23. */
#pragma clang diagnostic ignored "-Wc23-extensions"

_Alignas(64) static const unsigned char model[] = {
#embed "../../Models/default.safetensors"
};
const unsigned char *const attnd_default_model = model;
const size_t attnd_default_model_size = sizeof model;

_Alignas(64) static const unsigned char clip[] = {
#embed "../../Tests/Fixtures/demo.flac"
};
const unsigned char *const attnd_demo_clip = clip;
const size_t attnd_demo_clip_size = sizeof clip;
