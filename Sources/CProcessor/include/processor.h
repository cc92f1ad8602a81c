#ifndef ATTND_PROCESSOR_H
#define ATTND_PROCESSOR_H

/// Level of x86-64 that this processor and its system offer (x86-64 psABI, section 3.1.1): 1 is the
/// baseline, 3 has AVX2 and FMA, 4 has AVX-512. 0 on another family of processors.
int attnd_x86_64_level(void);

#endif
